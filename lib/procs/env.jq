# Assignments for a shell, to be read with eval: for each service, or for one,
# DISCO_NAME_ADDRESS, the first address of an active process, and
# DISCO_NAME_ADDRESSES, all of them.  In names, letters are upper case and all
# but letters and digits is _.
# args: service?
# type: text/plain; charset=utf-8
def name: ascii_upcase | explode
  | map(if (. >= 48 and . <= 57) or (. >= 65 and . <= 90) then . else 95 end)
  | implode;
map(select(.state == "active" and ($args.service == null or .service == $args.service))
    | select(.address != null
             and (.address | test("\\A(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}\\z")))
    | {name: "DISCO_\(.service | name)", address})
| group_by(.name)[]
| "\(.[0].name)_ADDRESS=\(.[0].address | @sh)",
  "\(.[0].name)_ADDRESSES=\(map(.address) | join(" ") | @sh)"
