# METADATA
# title: What a logged decision must not hold
# description: |
#   OPA asks this for every decision it logs. Values that people and models wrote (arguments of tools, names, addresses
#   of mail) are removed; ids, actions and the result stay.
# scope: package
package system.log

# METADATA
# title: Values of a tool call
mask contains "/input/call/arguments"

# METADATA
# title: Who a principal is, beyond its id
mask contains path if some path in {"/input/principal/email", "/input/principal/name", "/input/principal/token"}

# METADATA
# title: The request itself
mask contains "/input/request"
