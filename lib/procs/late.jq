# Processes that are not heard as they should be, the worst first, and why:
# those in error, those in warning, and active ones that have missed beats: an
# age lags by a tick of the master, and a beat may be a little late.
def worth:
  if .state == "error" then 0
  elif .state == "warning" then 1
  elif .state == "active" and .every != null and .age > 2 * .every + 5 then 2
  else empty end;
map((worth as $worth | {worth: $worth, row: .}))
| sort_by(.worth, - .row.age, .row.process)
| map(.row
      | {process, service, host, state, since, age,
         reason: (.reason // "silent for \(.age | floor) s, promised every \(.every) s")})
