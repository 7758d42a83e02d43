import pytest

from tuidock.cli.gotemplate.lexer import TemplateError
from tuidock.cli.gotemplate.template import Entries, Template

_VALUE = {
    "ID": "abc",
    "Names": ["a", "b"],
    "State": {"Running": True, "Pid": 5, "Error": ""},
    "Labels": Entries({"com.example/x": "y"}),
    "Label": lambda name: f"label {name}",
    "Nothing": None,
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("{{.ID}}!", "abc!"),
        ("{{ .State.Pid }}", "5"),
        ("{{json .Names}}", '["a","b"]'),
        ("{{json .State}}", '{"Running":true,"Pid":5,"Error":""}'),
        ("{{range .Names}}<{{.}}>{{end}}", "<a><b>"),
        ("{{range $i, $n := .Names}}{{$i}}={{$n}} {{end}}", "0=a 1=b "),
        ("{{range $k, $v := .Labels}}{{$k}}:{{$v}}{{end}}", "com.example/x:y"),
        ("{{range .Nothing}}x{{else}}none{{end}}", "none"),
        ("{{range .Names}}{{if eq . `b`}}{{break}}{{end}}{{.}}{{end}}", "a"),
        ("{{range .Names}}{{if eq . `a`}}{{continue}}{{end}}{{.}}{{end}}", "b"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .State.Error}}bad{{else if .ID}}good{{end}}", "good"),
        ("{{with .State}}{{.Pid}} {{$.ID}}{{end}}", "5 abc"),
        ("{{if and .ID (gt .State.Pid 3)}}both{{end}}", "both"),
        ("{{or .State.Error .ID}}", "abc"),
        ("{{not .State.Running}}", "false"),
        ('{{index .Labels "com.example/x"}}', "y"),
        ("{{index .Names 1}}", "b"),
        ("{{(index .Names 0)}}", "a"),
        ("{{len .Names}}", "2"),
        ('{{join .Names ", "}}', "a, b"),
        ('{{.ID | upper | printf "%q"}}', '"ABC"'),
        ('{{printf "%-5s|%5s|%03d" .ID .ID .State.Pid}}', "abc  |  abc|005"),
        ("{{.State}}", "map[Error: Pid:5 Running:true]"),
        ("{{.Names}}", "[a b]"),
        ("{{.Nothing}}", "<no value>"),
        ("{{.Labels.missing}}", "<no value>"),
        ('{{.Label "x"}}', "label x"),
        ("{{slice .ID 1}}", "bc"),
        ("{{truncate .ID 2}}", "ab"),
        ("{{title `hello world`}}", "Hello World"),
        ("{{range split `a,b` `,`}}[{{.}}]{{end}}", "[a][b]"),
        ("{{pad .ID 1 2}}|", " abc  |"),
        ("{{println .ID 1}}", "abc 1\n"),
        ("{{print 1 2 `x`}}", "1 2x"),
        ("a {{- .ID -}} b", "aabcb"),
        ("{{/* comment */}}x", "x"),
        ("{{- /* comment */ -}} x", "x"),
        ('{{"quoted \\"text\\"\\t"}}', 'quoted "text"\t'),
        ("{{$x := .ID}}{{$x}}", "abc"),
        ("{{$x := 1}}{{range .Names}}{{$x = .}}{{end}}{{$x}}", "b"),
        ("{{eq .ID `x` `abc`}} {{ne .ID `x`}} {{lt 1 2}} {{ge 1 2}}", "true true true false"),
        ("{{true}} {{1.5}} {{'a'}}", "true 1.5 97"),
    ],
)
def test_renders_as_go(source, expected):
    assert Template(source).render(_VALUE) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{.ID", "template: :1: unclosed action"),
        ("{{", "template: :1: unclosed action"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{foo}}", 'template: :1: function "foo" not defined'),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{if .ID}}x", "template: :1: unexpected EOF"),
        ('{{"abc}}', "template: :1: unterminated quoted string"),
        ("\n{{break}}", "template: :2: {{break}} outside {{range}}"),
        ("{{(.ID}}", "template: :1: unclosed left paren"),
        ('{{template "x"}}', "template: :1: template is not supported"),
    ],
)
def test_a_wrong_template_is_refused_when_it_is_parsed(source, message):
    with pytest.raises(TemplateError) as caught:
        Template(source)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{.Foo}}", 'template: :1: executing "" at <.Foo>: map has no entry for key "Foo"'),
        ("{{.ID.x}}", "can't evaluate field x in type str"),
        ("{{index .Names 7}}", "error calling index: index out of range: 7"),
        ("{{eq .ID 1}}", "error calling eq: incompatible types for comparison"),
        ("{{len 3}}", "error calling len: len of type int"),
        ("{{upper 3}}", "wrong number or type of args for upper"),
        ("{{.ID 3}}", "can't give argument to non-function .ID"),
        ("{{$nope}}", 'undefined variable "$nope"'),
    ],
)
def test_what_cannot_be_executed_names_the_place(source, message):
    with pytest.raises(TemplateError) as caught:
        Template(source).render(_VALUE)
    assert message in str(caught.value)
