# METADATA
# title: May this tool call happen
# description: |
#   Asked before each call of a tool, by POST /v1/data/skerry/tools/decision. The input is
#   {organization: {id}, execution: {id}, agent: {id, tools: [name]}, call: {name, arguments}}; the answer is
#   {allow, rule, reason, revision}: rule and reason are what the model and the person are told.
#   Everything is denied that no rule allows.
# scope: package
package skerry.tools

# METADATA
# description: Goes up with every change of meaning; stored with the call.
revision := "tools-1"

# METADATA
# title: Decision
# entrypoint: true
decision := {"allow": allow, "rule": rule, "reason": reason, "revision": revision}

default allow := false

allow if {
	known
	count(denials) == 0
}

# The first in the order of their numbers speaks, so that one input has one answer.
first := min([number | some number, _ in denials])

default rule := "tools.not_understood"

rule := denials[first].rule if not allow

rule := "tools.allowed" if allow

default reason := "the call has no tool's name or no arguments"

reason := denials[first].reason if not allow

reason := "the agent has this tool and the call stays in its workspace" if allow

known if {
	is_string(input.call.name)
	is_object(input.call.arguments)
	input.organization.id
	input.execution.id
}

# METADATA
# title: The agent has the tool
denials[1] := {"rule": "tools.not_granted", "reason": sprintf("the agent has no tool %s", [input.call.name])} if {
	known
	not input.call.name in granted
}

# METADATA
# title: The tool has a rule
# description: A tool that this package does not know is denied, also when an agent names it.
denials[2] := {"rule": "tools.no_rule", "reason": sprintf("no policy covers the tool %s", [input.call.name])} if {
	known
	not input.call.name in covered
}

# METADATA
# title: A path is text
denials[3] := {"rule": "tools.path_missing", "reason": "the path must be text"} if {
	known
	input.call.name in path_tools
	not is_path
}

# METADATA
# title: Paths stay in the workspace
denials[4] := {"rule": "tools.path_outside_workspace", "reason": "the path is outside the workspace"} if {
	known
	input.call.name in path_tools
	is_path
	outside
}

granted contains name if some name in input.agent.tools

# Tools that take one path in the workspace as `path`.
path_tools := {"read_file"}

covered := path_tools

is_path if {
	is_string(input.call.arguments.path)
	input.call.arguments.path != ""
}

outside if startswith(input.call.arguments.path, "/")

outside if startswith(input.call.arguments.path, "~")

outside if ".." in split(input.call.arguments.path, "/")

# A control character, or a backslash, which other systems take for a separator.
outside if regex.match(`[\x00-\x1f\x7f\\]`, input.call.arguments.path)

# A drive or a scheme.
outside if regex.match(`^[A-Za-z][A-Za-z0-9+.-]*:`, input.call.arguments.path)
