# Targets for Prometheus' http_sd_config: all processes with a host:port that
# did not leave, or those of one service.  What is known of them is in labels
# __meta_disco_*, for relabelling.
# args: service?
def name: explode
  | map(if (. >= 48 and . <= 57) or (. >= 65 and . <= 90) or (. >= 97 and . <= 122) then . else 95 end)
  | implode;
map(select(.state != "inactive" and ($args.service == null or .service == $args.service))
    | select(.address != null
             and (.address | test("\\A(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}\\z")))
    | {targets: [.address],
       labels: ((.meta | with_entries(.key |= "__meta_disco_meta_" + name)) + {
         __meta_disco_process: .process, __meta_disco_service: .service,
         __meta_disco_state: .state, __meta_disco_host: (.host // ""),
         __meta_disco_version: (.version // ""), __meta_disco_user: (.user // ""),
         __meta_disco_via: (.via // "")})})
