"""Results, listings, denials and errors in the words a model is told."""

from __future__ import annotations

from skerry.agent import prompts


def test_tools_are_named_by_their_own_name_and_say_what_they_need() -> None:
    assert list(prompts.TOOLS) == ["read_file", "write_file", "list_files", "run_command"]
    for name, tool in prompts.TOOLS.items():
        function = tool["function"]
        assert function["name"] == name
        assert set(function["parameters"]["required"]) <= set(function["parameters"]["properties"])
        assert all(each["description"].endswith(".") for each in function["parameters"]["properties"].values())


def test_an_agent_s_own_text_follows_the_product_s() -> None:
    assert prompts.render_system(None) == prompts.render_system("  ") == prompts.SYSTEM_PROMPT
    assert prompts.render_system(" Be brief.\n") == f"{prompts.SYSTEM_PROMPT}\n\nBe brief."


def test_a_long_result_is_cut_and_says_how_much_is_missing() -> None:
    assert prompts.render_result("x" * prompts.RESULT_LIMIT_CHARS) == "x" * prompts.RESULT_LIMIT_CHARS
    assert prompts.render_result("x" * (prompts.RESULT_LIMIT_CHARS + 7)).endswith("x\n[cut: 7 more characters]")


def test_lines_are_whole_and_say_where_to_read_on() -> None:
    assert prompts.render_lines([], first=1, total=0) == "[the file is empty]"
    assert prompts.render_lines(["a", "", "b"], first=1, total=3) == "a\n\nb"
    assert prompts.render_lines(["c"], first=3, total=3) == "c"
    half = "y" * (prompts.RESULT_LIMIT_CHARS // 2)
    shown = prompts.render_lines([half, half, "z"], first=5, total=7)
    assert shown == f"{half}\n[cut at line 5 of 7: read on with start_line 6]"


def test_commands_say_how_they_ended_before_what_they_printed() -> None:
    assert prompts.render_command(0, "a\nb") == "Exit code 0.\na\nb"
    assert prompts.render_command(3, "") == "Exit code 3, no output."


def test_listings_are_in_order_and_say_when_there_is_nothing() -> None:
    assert prompts.render_listing(["b.log", "a/", "B"]) == "B\na/\nb.log"
    assert prompts.render_listing([]) == "[the folder is empty]"


def test_writes_denials_and_errors_name_what_they_speak_of() -> None:
    assert prompts.render_written("a.txt", 3) == "Wrote 3 bytes to a.txt."
    assert prompts.render_denial("tools.no_rule", "none covers it") == "Denied by policy tools.no_rule: none covers it"
    assert prompts.render_error("file.not_found", "no such file") == "Error file.not_found: no such file"
