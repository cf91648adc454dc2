/** A definition file with every section. */
export const FULL = `# every section
Bootstrap: localimage
From: rootfs

%arguments
    WHO=world

%pre
    echo "pre: $(pwd)"

%setup
    echo "setup: rootfs var is set: \${APPTAINER_ROOTFS:+yes}"
    touch \${APPTAINER_ROOTFS}/setup-was-here

%files
    hello.txt /opt/hello.txt
    hello.txt

%post
    echo "post: hello {{ WHO }} as $(id -un), shell $0"
    echo 'export FROM_POST=yes' >>$APPTAINER_ENVIRONMENT
    mkdir -p /opt/data && echo data >/opt/data/file

%environment
    export MY_VAR="value one"
    export PATH=/opt/bin:$PATH

%runscript
    echo "runscript args: $# [$*] MY_VAR=$MY_VAR"

%startscript
    echo "startscript out: args $# [$*]"
    exec sleep 1000000

%test
    grep -q data /opt/data/file && echo "test ok"

%help
    This is the help text.
    Second line.

%labels
    Author Somebody
    Version v1.2.3
    multi word label value here

%appinstall foo
    echo "appinstall foo in $PWD"
    touch installed-by-foo

%appfiles foo
    hello.txt foo-hello.txt

%applabels foo
    FooLabel foovalue

%appenv foo
    export FOO_VAR=foo
    SOFTWARE="foo soft"
    export SOFTWARE

%apprun foo
    echo "RUNNING FOO $* FOO_VAR=$FOO_VAR"

%appstart foo
    echo "STARTING FOO $*"
    exec sleep 1000000

%apptest foo
    echo "testing foo"

%apphelp foo
    Help of app foo.

%apprun bar
    echo "RUNNING BAR"
`;
