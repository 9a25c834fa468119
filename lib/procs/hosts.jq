# Lines for /etc/hosts: the addresses of the hosts where processes are active
# or in warning.  What is no address or no host name, and "localhost", is left out.
# type: text/plain; charset=utf-8
def is_ip: test("\\A[0-9]{1,3}(\\.[0-9]{1,3}){3}\\z") or test("\\A[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\\z");
def is_name: test("\\A[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\\z")
  and length <= 253;
map(select((.state == "active" or .state == "warning") and .ip != null and .host != null)
    | {ip, host})
| unique[]
| select((.ip | length <= 45 and is_ip) and (.host | length <= 253 and is_name)
         and (.host | ascii_downcase | test("\\Alocalhost(\\.|\\z)|\\.localhost\\z|\\A[0-9.]+\\z") | not))
| "\(.ip)\t\(.host)"
