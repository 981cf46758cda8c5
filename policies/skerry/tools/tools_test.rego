package skerry.tools_test

import data.skerry.tools

call(name, arguments) := {
	"organization": {"id": "0190c0de-0000-7000-8000-000000000001"},
	"execution": {"id": "0190c0de-0000-7000-8000-000000000002"},
	"agent": {"id": "0190c0de-0000-7000-8000-000000000003", "tools": ["read_file", "launch"]},
	"call": {"name": name, "arguments": arguments},
}

test_a_file_of_the_workspace_is_read if {
	every path in ["app.log", "logs/app.log", "./app.log", "a b.log", "..notes", "notes..", "größe.txt"] {
		answer := tools.decision with input as call("read_file", {"path": path})
		answer.allow
		answer.rule == "tools.allowed"
		answer.reason != ""
		answer.revision != ""
	}
}

test_paths_outside_are_denied if {
	paths := [
		"/etc/passwd", "../secret", "logs/../../secret", "..", "~/.ssh/id", "a\\..\\b", "a\u0000b", "a\nb",
		"C:/windows", "file:///etc/passwd", "logs/..",
	]
	every path in paths {
		answer := tools.decision with input as call("read_file", {"path": path})
		not answer.allow
		answer.rule == "tools.path_outside_workspace"
		answer.reason == "the path is outside the workspace"
	}
}

test_a_path_must_be_text if {
	every arguments in [{}, {"path": ""}, {"path": 7}, {"path": null}, {"path": ["a"]}] {
		answer := tools.decision with input as call("read_file", arguments)
		not answer.allow
		answer.rule == "tools.path_missing"
	}
}

test_a_tool_the_agent_lacks_is_denied if {
	answer := tools.decision with input as call("run_command", {"command": "id"})
	not answer.allow
	answer.rule == "tools.not_granted"
	answer.reason == "the agent has no tool run_command"
}

test_a_tool_without_a_rule_is_denied if {
	answer := tools.decision with input as call("launch", {})
	not answer.allow
	answer.rule == "tools.no_rule"
}

test_an_agent_without_tools_has_none if {
	request := object.union(call("read_file", {"path": "a"}), {"agent": {"id": "x", "tools": []}})
	answer := tools.decision with input as request
	not answer.allow
	answer.rule == "tools.not_granted"
	missing := json.remove(request, ["/agent"])
	none := tools.decision with input as missing
	not none.allow
	none.rule == "tools.not_granted"
}

test_what_is_not_understood_is_denied if {
	whole := call("read_file", {"path": "a"})
	requests := [
		{},
		json.remove(whole, ["/call"]),
		json.remove(whole, ["/organization"]),
		json.remove(whole, ["/execution"]),
		json.remove(whole, ["/call/arguments"]),
		object.union(whole, {"call": {"name": 7, "arguments": {}}}),
		object.union(whole, {"call": {"name": "read_file", "arguments": "path"}}),
	]
	every request in requests {
		answer := tools.decision with input as request
		not answer.allow
		answer.rule == "tools.not_understood"
		answer.reason != ""
	}
}
