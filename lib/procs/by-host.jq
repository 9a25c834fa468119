# How many processes on each host are in each state.
def count($state): map(select(.state == $state)) | length;
group_by(.host)
| map({host: .[0].host, total: length,
       active: count("active"), warning: count("warning"),
       error: count("error"), inactive: count("inactive")})
