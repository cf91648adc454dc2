#### library path and prompt of the base file
unset PS1
if [ -z "${LD_LIBRARY_PATH:-}" ]; then
    LD_LIBRARY_PATH="/.singularity.d/libs"
else
    LD_LIBRARY_PATH="$LD_LIBRARY_PATH:/.singularity.d/libs"
fi

if [ -z "${PS1:-}" ]; then
    PS1="Apptainer> "
fi
export LD_LIBRARY_PATH PS1
#### runtime variables
SING_USER_DEFINED_PREPEND_PATH=/first
SING_USER_DEFINED_APPEND_PATH=/last
if [ -n "${SING_USER_DEFINED_PREPEND_PATH:-}" ]; then
	PATH="${SING_USER_DEFINED_PREPEND_PATH}:${PATH}"
fi
if [ -n "${SING_USER_DEFINED_APPEND_PATH:-}" ]; then
	PATH="${PATH}:${SING_USER_DEFINED_APPEND_PATH}"
fi
if [ -n "${SING_USER_DEFINED_PATH:-}" ]; then
	PATH="${SING_USER_DEFINED_PATH}"
fi
unset SING_USER_DEFINED_PREPEND_PATH \
	  SING_USER_DEFINED_APPEND_PATH \
	  SING_USER_DEFINED_PATH
export PATH
#### an app
APP=foo
if test -n "${APP:-}"; then
    export APP
    if test -d "./scif/apps/${APP:-}/"; then
        SCIF_APPS="./scif/apps"
        SCIF_APPROOT="./scif/apps/${APP:-}"
        export SCIF_APPROOT SCIF_APPS
        PATH="./scif/apps/${APP:-}:$PATH"
        if test -d "./scif/apps/${APP:-}/bin"; then
            PATH="./scif/apps/${APP:-}/bin:$PATH"
        elif test -d "./scif/apps/other/bin"; then
            PATH="no:$PATH"
        fi
        if test -d "./scif/apps/${APP:-}/lib"; then
            LD_LIBRARY_PATH="no:$LD_LIBRARY_PATH"
        fi
        if [ -f "./scif/apps/${APP:-}/scif/env/01-base.sh" ]; then
            . "./scif/apps/${APP:-}/scif/env/01-base.sh"
		elif [ -f "./scif/apps/other/scif/env/01-base.sh" ]; then
            . "./scif/apps/other/scif/env/01-base.sh" "$@"
        fi
        export PATH
    else
        echo "no such app: ${APP}"
        exit 1
    fi
fi
#### an app that is missing [raw]
APP=nope
if test -n "${APP:-}"; then
    if test -d "./scif/apps/${APP:-}/"; then
        :
    else
        echo "Could not locate: ${APP}"
        exit 1
    fi
fi
#### variables from an image configuration
export PATH="/usr/local/openresty/bin:$PATH"
export LANG="${LANG:-"C.UTF-8"}"
export JAVA_OPTS="${JAVA_OPTS:-"-Xmx1g -Dx=\"y\" \$HOME"}"
export FOO="${FOO:-"default"}"
export EMPTY="${EMPTY:-""}"
export NODE_VERSION="${NODE_VERSION:-"20.1.0"}"
#### app exports
SCIF_APPDATA_foo=/scif/data/foo
SCIF_APPMETA_foo=/scif/apps/foo/scif
export SCIF_APPDATA_foo SCIF_APPMETA_foo
export SCIF_APPENV_foo="/scif/apps/foo/scif/env/90-environment.sh"
#### all files of a directory
for script in ./env.d/*.sh; do
    if [ -f "$script" ]; then
        . "$script"
    fi
done
#### conditionals of environment files [unsupported]
[ -d /nonexistent ] && export A=1
[ "${HOME}" ] || export B=1
test -z "$C" && C=unset
[ -x exe ] && export D=executable || export D=no
if [ "$FOO" != "" ] && [ ! -e nothing ]; then export E="$FOO:$PATH"; fi
export F=${F:+$F:}/lib G="${G:+${G}:}/g"
case ":$PATH:" in *:/bin:*) ;; *) PATH=$PATH:/bin;; esac
export MANPATH=:/man H=`:` 2>/dev/null || :
#### old-style test prefixes
if [ "x$FOO" = "xfoo" ]; then X=1; fi; if [ x"$NOPE" = x ]; then Y=1; fi; export X Y
#### conda style
export CONDA_SHLVL="1" CONDA_PREFIX='/opt/conda'
\export CE_X='y'
if [ -z "${CONDA_SHLVL+x}" ]; then no=1; fi
PATH="/opt/conda/bin:${PATH}"; export PATH; unset CE_Z
#### spack style
if test -z "${SPACK_ROOT-}"; then SPACK_ROOT=/opt/spack; export SPACK_ROOT; fi
for _p in /a /b; do PATH="$_p${PATH:+:${PATH}}"; done; unset _p
export ACLOCAL_PATH=/x/aclocal:/usr/share/aclocal; export CMAKE_PREFIX_PATH=/x/.;
export PKG_CONFIG_PATH=/x/lib/pkgconfig:/x/share/pkgconfig;
#### values restored by eval
HOST_A='x y "z" $q'; HOST_B=; NAMES='A B FOO'
for n in $NAMES; do
eval "case \${$n-u}\${$n+s} in u) export $n=\"\${HOST_$n-}\";; s) unset $n;; esac; unset HOST_$n"
done
unset NAMES n
#### values evaluated once
ENV_A='$FOO and ${HOME}'; ENV_B='lit\$eral'; NAMES='A B'
for n in $NAMES; do
eval "eval \"export $n=\\\"\$ENV_$n\\\"\""
unset ENV_$n
done
unset NAMES n
#### a command found on a path
find() {
C=$1
case $C in
*/*) F=$C;;
*) D=$PATH:
while [ "$D" ]; do
F=${D%%:*}
F=${F:-$PWD}/$C
D=${D#*:}
[ -f "$F" ] && [ -x "$F" ] && break
F=
done
[ "$F" ] || { echo "$C: not found" >&2; return 1; };;
esac
echo "${F##*/}"
}
find probe; find no-such-command; find dir/x
