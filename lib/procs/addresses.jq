# The addresses of the active processes of a service, one a line.
# The service is named exactly; what is no host:port is left out.
# args: service
# type: text/plain; charset=utf-8
.[]
| select(.state == "active" and .service == $args.service)
| .address // empty
| select(test("\\A(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}\\z"))
