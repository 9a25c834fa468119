# How many processes of each service are in each state.
def count($state): map(select(.state == $state)) | length;
group_by(.service)
| map({service: .[0].service, total: length,
       active: count("active"), warning: count("warning"),
       error: count("error"), inactive: count("inactive")})
