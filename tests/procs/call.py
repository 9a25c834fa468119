"""Calls a procedure as disco-serve does: call.py DISCO-JQ FILE [NAME=VALUE...] <rows"""
import json
import re
import socket
import struct
import subprocess
import sys

jq, file = sys.argv[1:3]
text = open(file, 'rb').read()
named = re.search(rb'^# args: *(.*)$', text, re.M)
args = {name.rstrip('?'): None for name in named[1].decode().split()} if named else {}
args.update(given.split('=', 1) for given in sys.argv[3:])
raw = re.search(rb'^# type: (?!application/json)', text, re.M)

ours, theirs = socket.socketpair()
worker = subprocess.Popen([jq, '--worker', '512'], stdin=theirs)
theirs.close()


def say(kind, data):
    ours.sendall(struct.pack('=II', ord(kind), len(data)) + data)


def hear(count):
    data = b''
    while len(data) < count:
        more = ours.recv(count - len(data))
        if not more:
            sys.exit('it broke off')
        data += more
    return data


say('p', text)
say('a', json.dumps(args).encode())
for row in sys.stdin.buffer:
    say('r', row)
say('g', b'raw' if raw else b'json')
kind = 'd'
while kind in 'dl':
    number, size = struct.unpack('=II', hear(8))
    kind, data = chr(number), hear(size)
    (sys.stdout if kind == 'o' else sys.stderr).buffer.write(data)
ours.close()
sys.exit(0 if kind == 'o' else 2)
