package system.authz_test

import data.system.authz

query := "query-token-of-the-test-0123456789abcdef"

management := "management-token-of-the-test-0123456789"

tokens := {"query": query, "management": management}

decision := ["v1", "data", "skerry", "tools", "decision"]

test_health_needs_no_token if {
	authz.allow with input as {"method": "GET", "path": ["health"]} with data.tokens as tokens
	authz.allow with input as {"method": "HEAD", "path": ["health"]} with data.tokens as tokens
}

test_health_is_get_only if {
	not authz.allow with input as {"method": "POST", "path": ["health"]} with data.tokens as tokens
}

test_query_token_asks_for_decisions if {
	authz.allow with input as {"method": "POST", "path": decision, "identity": query} with data.tokens as tokens
}

test_query_token_does_nothing_else if {
	requests := [
		{"method": "GET", "path": decision},
		{"method": "PUT", "path": decision},
		{"method": "POST", "path": ["v1", "data", "skerry", "tools"]},
		{"method": "POST", "path": ["v1", "data", "tokens", "query"]},
		{"method": "POST", "path": ["v1", "data", "system", "authz", "decision"]},
		{"method": "POST", "path": ["v1", "query"]},
		{"method": "POST", "path": ["v1", "compile"]},
		{"method": "POST", "path": ["v0", "data", "skerry", "tools", "decision"]},
		{"method": "GET", "path": ["v1", "policies"]},
		{"method": "PUT", "path": ["v1", "policies", "mine"]},
		{"method": "DELETE", "path": ["v1", "policies", "mine"]},
		{"method": "PATCH", "path": ["v1", "data", "tokens"]},
		{"method": "GET", "path": ["v1", "config"]},
		{"method": "GET", "path": ["metrics"]},
		{"method": "POST", "path": [""]},
	]
	every request in requests {
		not authz.allow with input as object.union(request, {"identity": query}) with data.tokens as tokens
	}
}

test_management_token_manages if {
	requests := [
		{"method": "PUT", "path": ["v1", "policies", "mine"]},
		{"method": "GET", "path": ["v1", "data"]},
		{"method": "POST", "path": decision},
	]
	every request in requests {
		authz.allow with input as object.union(request, {"identity": management}) with data.tokens as tokens
	}
}

test_no_token_or_a_wrong_one_is_refused if {
	not authz.allow with input as {"method": "POST", "path": decision} with data.tokens as tokens
	not authz.allow with input as {"method": "POST", "path": decision, "identity": ""} with data.tokens as tokens
	not authz.allow with input as {"method": "POST", "path": decision, "identity": "x"} with data.tokens as tokens
}

test_without_tokens_nothing_opens if {
	not authz.allow with input as {"method": "POST", "path": decision, "identity": ""} with data.tokens as {}
	empty := {"query": "", "management": ""}
	not authz.allow with input as {"method": "POST", "path": decision, "identity": ""} with data.tokens as empty
}
