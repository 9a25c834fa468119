# What there is, in a few lines for a person: how many are in each state, the
# services, and who is in trouble.
# type: text/plain; charset=utf-8
def clean: explode
  | map(if . < 32 or (. >= 127 and . < 160) or (. >= 8206 and . <= 8207)
           or (. >= 8232 and . <= 8238) or (. >= 8294 and . <= 8297) then 63 else . end)
  | implode;
def counts: . as $rows
  | ["error", "warning", "active", "inactive"]
  | map(. as $state
        | ($rows | map(select(.state == $state)) | length)
        | select(. > 0) | "\(.) \($state)")
  | join(", ");
if length == 0 then "no processes"
else
  (if length == 1 then "1 process: " else "\(length) processes: " end) + counts,
  "",
  (group_by(.service)[] | "  \(.[0].service // "-" | clean): \(counts)"),
  (map(select(.state == "error" or .state == "warning"))
   | select(length > 0)
   | "",
     (sort_by(.state, .since)[]
      | "\(.state): \(.process) on \(.host // "?" | clean)\(if .reason then ": " + (.reason | clean) else "" end)"))
end
