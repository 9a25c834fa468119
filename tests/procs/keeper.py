"""A keeper whose workers lie, in the place of disco-jq: what they answer is in $0's folder/answer."""
import os
import socket
import struct
import sys

control = socket.socket(fileno=0)
control.send(struct.pack('=ii', ord('R'), 0))
kept = []
while True:
    message = control.recv(8)
    if len(message) != 8:
        break
    if struct.unpack('=ii', message)[0] != ord('s'):
        continue
    theirs, ours = socket.socketpair()
    with open(os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), 'answer'), 'rb') as answer:
        ours.setblocking(False)
        try:
            ours.send(answer.read())
        except OSError:
            pass
    kept.append(ours)
    socket.send_fds(control, [struct.pack('=ii', ord('s'), 1)], [theirs.fileno()])
    theirs.close()
