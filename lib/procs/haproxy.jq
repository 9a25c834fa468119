# The server lines of a backend of haproxy: the active processes of a service,
# and as backups those in warning.  Signs that the name of a server may not
# have are written as a colon and their code: @ as :40.
# args: service
# type: text/plain; charset=utf-8
def name: explode
  | map(if . == 58 then ":3a" elif . == 64 then ":40" elif . == 43 then ":2b" else [.] | implode end)
  | join("");
.[]
| select((.state == "active" or .state == "warning") and .service == $args.service)
| select(.address != null
         and (.address | test("\\A(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}\\z")))
| "server \(.process | name) \(.address) check\(if .state == "warning" then " backup" else "" end)"
