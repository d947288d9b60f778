"""Scripts that show the language itself, and scripts that are left out.

`@` stands for the prefix.
"""

from __future__ import annotations

from tests.unit.environments.conda.activation_scripts import Script

SCRIPTS = [
    Script(
        "quotes",
        """export A='a  b'"c  $LANG"d\\ e\\$ B='$X' C="\\$\\"\\\\\\a'"\n""",
        {"A": "a  bc  C.UTF-8d e$", "B": "$X", "C": "$\"\\\\a'"},
    ),
    Script("multiline", "export A='one\ntwo' B=\"three\nfour\\\nfive\"\n", {"A": "one\ntwo", "B": "three\nfourfive"}),
    Script("unicode", "export A='grün ✓'\n", {"A": "grün ✓"}),
    Script("comments", "# one\nexport A=a#b # two\nexport B='#';# three\n", {"A": "a#b", "B": "#"}),
    Script("not-exported", "A=1\nB=$A\nLANG=x\n", {"LANG": "x"}),
    Script("export-later", "A=1\nexport A B\nB=2\n", {"A": "1", "B": "2"}),
    Script("export-unset", "export NEVER\n"),
    Script(
        "defaults",
        "export A=${X:-a} B=${EMPTY:-b} C=${EMPTY-c} D=${LANG:+d} E=${X+e} F=${EMPTY:+f} G=${EMPTY+g}\n",
        {"A": "a", "B": "b", "C": "", "D": "d", "E": "", "F": "", "G": "g"},
    ),
    Script("nested-defaults", 'export A="${X:-${Y:-"a b"}/c}"\n', {"A": "a b/c"}),
    Script("assigned-defaults", ': "${A:=1}" ${B=2}\nexport A B\n', {"A": "1", "B": "2"}),
    Script(
        "removal",
        "V=a.b.c; export A=${V%.*} B=${V%%.*} C=${V#*.} D=${V##*.} E=${V%x} F=\"${V%.c}\" G=${V#'a.'}\n",
        {"A": "a.b", "B": "a", "C": "b.c", "D": "c", "E": "a.b.c", "F": "a.b", "G": "b.c"},
    ),
    Script(
        "removal-quoted",
        "V='a*b'; P='*'; export A=${V%$P*} B=\"${V%\"$P\"*}\" C=${V%\\**}\n",
        {"A": "a*b", "B": "a", "C": "a"},
    ),
    Script(
        "replacement",
        "V='a b c'; export A=${V/ /-} B=${V// /-} C=${V//b} D=\"${V//' '/%20}\" E=${V//x/y}\n",
        {"A": "a-b c", "B": "a-b-c", "C": "a  c", "D": "a%20b%20c", "E": "a b c"},
        posix=False,
    ),
    Script("colons", 'export A="${X:+$X:}/new" B="/new${LANG:+:$LANG}"\n', {"A": "/new", "B": "/new:C.UTF-8"}),
    Script(
        "path-idiom", 'case ":$PATH:" in *":$CONDA_PREFIX/bin:"*) export A=in ;; *) export A=out ;; esac\n', {"A": "in"}
    ),
    Script("case", "case x-1 in y) A=1;; (x-[0-9]|z) A=2 ;; *) A=3; esac\nexport A\n", {"A": "2"}),
    Script("for", 'for i in a "b c" $LANG; do A="$A<$i>"; done; export A\n', {"A": "<a><b c><C.UTF-8>"}),
    Script(
        "for-split",
        'V=" a  b "; for i in $V$V x${V}y; do A="$A<$i>"; done; export A\n',
        {"A": "<a><b><a><b><x><a><b><y>"},
    ),
    Script(
        "while", 'V=a/b/c; until [ "$V" = "${V#*/}" ]; do V=${V#*/}; A=x$A; done; export A V\n', {"A": "xx", "V": "c"}
    ),
    Script("if-else", "if false; then A=1; elif ! true; then A=2; else A=3; fi; export A\n", {"A": "3"}),
    Script(
        "and-or", "true && A=1 || A=2; false && B=1 || B=2; false || false && C=1; export A B C\n", {"A": "1", "B": "2"}
    ),
    Script("group", "true || { A=1; exit 1; }; { B=2; } && export A B\n", {"B": "2"}),
    Script("return", 'export A=1\nif [ -n "$A" ]; then return 0; fi\nexport B=2\n', {"A": "1"}),
    Script("exit", "export A=1\nexit 0\nexport B=2\n", {"A": "1"}),
    Script("unset", "unset LANG NEVER; unset -v EMPTY\nexport EMPTY\n", removed=("LANG", "EMPTY")),
    Script("set-options", "set +u\nset +e\nexport A=$NEVER\n", {"A": ""}),
    Script(
        "test-words",
        '[ "$LANG" = C.UTF-8 -a -n x ] && export A=1; [ -z "$LANG" -o "$LANG" != x ] && export B=1\n'
        '[ -n "$LANG" -a -n "" ] || export C=1\n',
        {"A": "1", "B": "1", "C": "1"},
    ),
    Script("test-numbers", '[ "${N:-3}" -ge 3 ] && export A=1; [ 2 -lt 1 ] || export B=1\n', {"A": "1", "B": "1"}),
    Script(
        "test-empty",
        "[ ] || export A=1; [ $NEVER ] || export B=1; [ ! $LANG ] || export C=1; [ -n ] && export D=1\n",
        {"A": "1", "B": "1", "C": "1", "D": "1"},
    ),
    Script(
        "test-strings",
        '[ "-n" = "-n" ] && export A=1; [ "!" = "x" ] || export B=1; [ ! "" ] && export C=1\n',
        {"A": "1", "B": "1", "C": "1"},
    ),
    Script(
        "brackets",
        '[[ $EMPTY == "" && ( x == y || a == a* ) ]] && export A=1; [[ "a*" == a"*" ]] && export B=1\n'
        '[[ ab == "a*" ]] || export C=1; [[ ! -v NEVER && $LANG != D* ]] && export D=1; [[ 3 -gt 2 ]] && export E=1\n',
        {"A": "1", "B": "1", "C": "1", "D": "1", "E": "1"},
        posix=False,
    ),
    Script(
        "files",
        "for t in -e -f -d -x; do for p in bin/tool share share/doc.txt none; do\n"
        'if [ $t "$CONDA_PREFIX/$p" ]; then A="$A $t:$p"; fi; done; done; export A\n',
        {"A": " -e:bin/tool -e:share -e:share/doc.txt -f:bin/tool -f:share/doc.txt -d:share -x:bin/tool -x:share"},
        files=("bin/tool", "share/doc.txt"),
    ),
    Script(
        "source",
        '. "$CONDA_PREFIX/etc/conda/activate.d/source.sh.inc" && export B=2\n',
        {"A": "1", "B": "2"},
        files=("etc/conda/activate.d/source.sh.inc",),
    ),
    Script("uname", 'if [ "$(uname)" = Darwin ]; then export A=mac; else export A=$(uname -s); fi\n', {"A": "Linux"}),
    Script("append", "export A+=x\nA+=y LANG+=z\n", {"A": "xy", "LANG": "C.UTF-8z"}, posix=False),
    Script(
        "unreached",
        'if [ "$LANG" = none ]; then x=$(date); f() { return 1; }; ls | sort > f; fi\nexport A=1\n',
        {"A": "1"},
    ),
    Script("quiet", 'echo "a $LANG" >&2; printf "%s\\n" x 2>/dev/null; : >/dev/null 2>&1; export A=1\n', {"A": "1"}),
    Script(
        "continued",
        'export A=1 \\\n    B=2\nif [ -n "$A" ] &&\n   [ -n "$B" ]\nthen export C=3\nfi\n',
        {"A": "1", "B": "2", "C": "3"},
    ),
    Script("empty", "\n  \n"),
]
SOURCED = {"etc/conda/activate.d/source.sh.inc": "export A=1\n"}

COMPILERS = """#!/bin/bash
function _tc_activation() {
  local act_nature=$1; shift
  for thing in "$@"; do
    newval="${thing#*,}"; thing="${thing%%,*}"
    eval oldval="\\$${thing}"
    if [ -n "${oldval}" ]; then eval export "'CONDA_BACKUP_${thing}'=\\"${oldval}\\""; fi
    eval export "'${thing}=${newval}'"
  done
}
_tc_activation activate "CXX,x86_64-conda-linux-gnu-g++" "CXXFLAGS,-O2"
"""

#: Scripts that are left out: id, text, line, reason.
UNRESOLVED = [
    ("compilers", COMPILERS, 2, "`function`"),
    ("function", "\nf() {\n  A=1\n}\nf\n", 2, "a function"),
    ("command-substitution", "export A=1\nexport B=$(date +%s)\n", 2, "`$(date +%s)`, a command"),
    ("backquotes", "A=`hostname`\n", 1, "`$(hostname)`, a command"),
    ("pipe", "echo a | cat\n", 1, "a pipe"),
    ("background", "export A=1\ntrue &\n", 2, "`&`"),
    ("command", "mkdir -p /tmp/x\n", 1, "`mkdir`, a command"),
    ("unknown-after-test", "[ -n x ] && ls\n", 1, "`ls`, a command"),
    ("eval", 'eval "A=1"\n', 1, "`eval`, a command"),
    ("subshell", "( A=1 )\n", 1, "a subshell"),
    ("here-document", "cat <<EOF\nx\nEOF\n", 1, "a here-document"),
    ("redirection", "echo x > /tmp/file\n", 1, "a redirection"),
    ("redirection-of-compound", "if true; then echo x; fi > /tmp/file\n", 1, "a redirection"),
    ("process-substitution-of-source", "source <(echo A=1)\n", 1, "a process substitution"),
    ("arithmetic", "A=$((1 + 1))\n", 1, "arithmetic"),
    ("array", "A=(1 2)\n", 1, "an array"),
    ("prefixed-command", "A=1 export B\n", 1, "a variable for one command, `export`"),
    ("positional", 'export A="$1"\n', 1, "`$1`"),
    ("status", "true\nexport A=$?\n", 2, "`$?`"),
    ("indirect", "export A=${!LANG}\n", 1, "`${!LANG}`"),
    ("length", "export A=${#LANG}\n", 1, "`${#LANG}`"),
    ("substring", "export A=${LANG:0:2}\n", 1, "`${LANG:0:2}`"),
    ("case-change", "export A=${LANG^^}\n", 1, "`${LANG^^}`"),
    ("ansi-quotes", "export A=$'a\\n'\n", 1, "`$'…'`"),
    ("required", 'export A="${NEVER:?message}"\n', 1, "`${NEVER:?…}` of a variable that is not set"),
    ("nounset", "set -u\nexport A=$NEVER\n", 2, "`$NEVER`, which is unset, under `set -u`"),
    ("errexit", "set -e\n", 1, "`set -e`"),
    ("tilde", "export A=~/x\n", 1, "`~`"),
    ("tilde-in-path", "export A=/x:~/y\n", 1, "`~`"),
    ("home", 'export A="$HOME/x"\n', 1, "`$HOME`, which is known only in a container"),
    (
        "shell-variable",
        'if [ -n "$BASH_VERSION" ]; then export A=1; fi\n',
        1,
        "`$BASH_VERSION`, which is known only in a running shell",
    ),
    ("ostype", "[[ $OSTYPE == darwin* ]] && export A=1\n", 1, "`$OSTYPE`, which is known only in a running shell"),
    ("glob", "for f in $CONDA_PREFIX/lib/*.so; do export A=$f; done\n", 1, "a file name pattern"),
    ("glob-in-value", "V='*'\nset $V\n", 2, "a file name pattern"),
    ("backslash-in-value", "V='a\\b'\nfor i in $V; do A=$i; done\n", 2, "a file name pattern"),
    ("braces", "for i in {a,b}; do A=$i; done\n", 1, "`{…}` in a word"),
    (
        "file-of-base",
        "[ -f /etc/ssl/cert.pem ] && export A=1\n",
        1,
        "`-f /etc/ssl/cert.pem`, a path outside of the environment",
    ),
    ("file-test", 'if [ -w "$CONDA_PREFIX" ]; then export A=1; fi\n', 1, "`-w` in a test"),
    ("regular-expression", "[[ $LANG =~ C ]] && export A=1\n", 1, "`=~` in a test"),
    ("open-if", "if true; then\n  export A=1\n", 3, "`elif` is missing"),
    ("open-quote", "export A=1\nexport B='x\n", 2, "a quote that is not closed"),
    ("lone-fi", "export A=1\nfi\n", 2, "unexpected `fi`"),
    ("carriage-return", "export A=1\r\n", 1, "a carriage return"),
    ("endless", "while true; do A=1; done\n", 1, "more than 10,000 commands"),
    ("growing", "A=xxxxxxxxxxxxxxxx\nwhile true; do\nA=$A$A\ndone\n", 3, "a value of `A` over 122,880 bytes"),
    ("nested", "if true; then " * 60 + "\n", 1, "nested too deeply"),
    ("deep-words", 'A="' + "${B:-" * 100 + "\n", 1, "nested too deeply"),
    ("sources-unknown", ". /etc/profile\n", 1, "`. /etc/profile`, a file that is not known"),
    ("sources-itself", '\n. "$CONDA_PREFIX/etc/conda/activate.d/sources-itself.sh"\n', 2, None),
    ("zero-byte", "export A=1\0\n", 1, "a zero byte"),
    ("changes-prefix", "export CONDA_PREFIX=/elsewhere\n", 1, "it changes `CONDA_PREFIX`"),
    ("loses-path", "export PATH=/usr/bin\n", 1, "it removes `@/bin` from `PATH`"),
    ("unsets-path", "unset PATH\n", 1, "it removes `@/bin` from `PATH`"),
    ("long", "# comment\n" * 7000, 1, "longer than 65,536 characters"),
]
