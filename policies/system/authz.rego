# METADATA
# title: Who may call this OPA
# description: |
#   OPA asks this for every request it gets (--authentication=token --authorization=basic). Its answer to a question
#   needs the query token; everything that reads or changes policies and data needs the management token; health
#   needs none. Tokens are in data.tokens, which comes from a secret of the host.
# scope: package
package system.authz

default allow := false

# METADATA
# title: Health
# description: Says whether the server runs, nothing else.
allow if {
	input.method in {"GET", "HEAD"}
	input.path == ["health"]
}

# METADATA
# title: A decision
# description: The query token may ask a package of the product for its decision, and see nothing else of it.
allow if {
	input.method == "POST"
	count(input.path) >= 5
	array.slice(input.path, 0, 3) == ["v1", "data", "skerry"]
	input.path[count(input.path) - 1] == "decision"
	is_token("query")
}

# METADATA
# title: Management
allow if is_token("management")

# Digests are compared, so that the time a refusal takes says nothing about the token.
is_token(name) if {
	token := data.tokens[name]
	count(token) >= 32
	crypto.sha256(input.identity) == crypto.sha256(token)
}
