#!/usr/bin/env bash
# Real AMQP 1.0 peers on loopback: brokers to test a client against, foreign
# clients to test a server with. What each is like is in README.md beside this file.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
state=${PEERS_STATE:-$here/../../target/peers}
NAMES=(rabbitmq rabbitmq-4 proton-broker rhea-broker artemis)
RHEA=(rhea@3.0.5 ws@8.23.0)
PROTON=python-qpid-proton==0.40.0
USER_NAME=test USER_PASSWORD=secret

usage() {
  cat <<'U'
usage: peers.sh COMMAND ...
  install [rabbitmq|rabbitmq-4|proton|proton-examples|rhea|artemis|jms ...]
                       install what is missing (default: all)
  up NAME [--port P] [--tls [--tls-port Q]] [--mtls] [--cert C] [--sasl] [-- broker options]
                       start and wait for it; NAME is rabbitmq (3.10), rabbitmq-4, proton-broker,
                       rhea-broker or artemis (no TLS or SASL); C is the certificate that it shows: server, or
                       expired, or wrong-name
  wait NAME [SECONDS]  wait until it answers an AMQP header (default 60)
  url NAME [--tls]     print its URL (with user and password when it was started with --sasl)
  certs                print the folder with ca.pem, server.pem, client.pem and so on, and their keys
  status               one line for each broker
  log NAME             print its log
  kill NAME            end it as a power cut would; `up` with the same options starts it again, with its data
  down NAME|all [--wipe]   stop it; --wipe also removes its data
  declare QUEUE TYPE   make a durable queue of RabbitMQ 4 (classic, quorum or stream), and print its address
  queued QUEUE         print how many messages are in it
  cluster up --port P  start three nodes of RabbitMQ 4 as one cluster; node N listens on P + 2 N
  cluster kill N | start N | down | declare QUEUE | leader QUEUE
                       end a node as a power cut would, start it again, end all and forget their data,
                       make a quorum queue, print the node that leads it
  client proton|rhea SCENARIO URL [options]    run one foreign-client check
  client jms URL [PATTERN]                     run the checks of the JMS client that match
environment:
  PEERS_STATE          folder for everything that is installed or written (default: target/peers of this repository)
  PEERS_PROTON=debian  use Debian's python3-qpid-proton (no build, but an older Proton whose
                       broker side has no PLAIN or SCRAM) in place of PyPI's, built in a venv
U
}
die() { echo "peers.sh: $*" >&2; exit 2; }
note() { echo "peers.sh: $*" >&2; }

lock() { # one install, up or down at a time for each state folder
  mkdir -p "$state" || die "cannot write to $state (set PEERS_STATE)"
  exec 9>"$state/.lock"
  flock -w 600 9 || die "another peers.sh holds $state/.lock"
}

# -- installs ---------------------------------------------------------------
apt_updated=
apt_get() { # packages; never starts a service
  local drop=
  [[ $(id -u) == 0 ]] || die "these packages are needed (run as root, or install them first): $*"
  note "apt-get install $*"
  mkdir -p "$state"
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    drop=1
  fi
  local rc=0
  if [[ -z $apt_updated ]]; then apt-get update >"$state/apt.log" 2>&1 || rc=$?; apt_updated=1; fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$state/apt.log" 2>&1 || rc=$?
  [[ -z $drop ]] || rm -f /usr/sbin/policy-rc.d
  ((rc == 0)) || { tail -n 5 "$state/apt.log" >&2; die "apt-get failed (see $state/apt.log)"; }
}
need() { # package: add it to $missing unless dpkg has it
  dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed' || missing+=("$1")
}
install_rabbitmq() {
  local missing=()
  need rabbitmq-server
  need python3 # writes its user list
  ((${#missing[@]} == 0)) || apt_get "${missing[@]}"
}
proton_python() { # the interpreter that has Proton
  if [[ ${PEERS_PROTON:-pypi} == debian ]]; then echo /usr/bin/python3; else echo "$state/venv/bin/python"; fi
}
install_proton() {
  local missing=()
  need libsasl2-modules    # PLAIN, ANONYMOUS, SCRAM
  need libsasl2-modules-db # the user data base
  need sasl2-bin           # saslpasswd2
  if [[ ${PEERS_PROTON:-pypi} == debian ]]; then
    need python3-qpid-proton
    ((${#missing[@]} == 0)) || apt_get "${missing[@]}"
    return
  fi
  "$state/venv/bin/python" -c 'import proton' 2>/dev/null && ((${#missing[@]} == 0)) && return
  local p
  for p in gcc libc6-dev pkg-config python3-dev python3-venv libssl-dev libsasl2-dev; do need "$p"; done
  ((${#missing[@]} == 0)) || apt_get "${missing[@]}"
  if ! "$state/venv/bin/python" -c 'import proton' 2>/dev/null; then
    note "building $PROTON in a venv (about a minute)"
    mkdir -p "$state"
    /usr/bin/python3 -m venv --clear "$state/venv"
    "$state/venv/bin/pip" install --no-binary python-qpid-proton "$PROTON" >"$state/pip.log" 2>&1 ||
      { tail -n 5 "$state/pip.log" >&2; die "pip failed (see $state/pip.log)"; }
    "$state/venv/bin/python" -c 'import sys; from proton import SASL, SSL; sys.exit(not (SASL.extended() and SSL.present()))' ||
      die "this Proton was built without Cyrus SASL or TLS (see $state/pip.log)"
  fi
}
install_proton_examples() { # the Python programs of Debian's package, in $state/proton-examples
  local to=$state/proton-examples package
  [[ -s $to/helloworld.py ]] && return
  package=$(apt-cache pkgnames libqpid-proton 2>/dev/null | grep -E -- '^libqpid-proton[0-9]+-dev-examples$' | sort -V | tail -n 1)
  if [[ -z $package ]]; then
    [[ $(id -u) == 0 ]] || die "apt knows no examples of Proton (run apt-get update)"
    apt-get update >"$state/apt.log" 2>&1 || die "apt-get update failed (see $state/apt.log)"
    package=$(apt-cache pkgnames libqpid-proton | grep -E -- '^libqpid-proton[0-9]+-dev-examples$' | sort -V | tail -n 1)
    [[ -n $package ]] || die "this Debian has no libqpid-proton-dev-examples"
  fi
  note "unpacking $package"
  rm -rf "$state/unpacked"
  mkdir -p "$state/unpacked"
  (cd "$state/unpacked" && apt-get download "$package" >"$state/apt.log" 2>&1 && dpkg-deb -x ./*.deb .) ||
    die "$package was not unpacked (see $state/apt.log)"
  mv "$state/unpacked/usr/share/proton/examples/python" "$to.new" && mv "$to.new" "$to"
  rm -rf "$state/unpacked"
}
install_rhea() {
  if ! command -v node >/dev/null; then apt_get nodejs npm; fi
  [[ -d $state/node_modules/rhea && -d $state/node_modules/ws ]] && return
  command -v npm >/dev/null || apt_get npm
  note "npm install ${RHEA[*]}"
  mkdir -p "$state"
  npm install --prefix "$state" --no-save --no-audit --no-fund --loglevel=error "${RHEA[@]}" >"$state/npm.log" 2>&1 ||
    { tail -n 5 "$state/npm.log" >&2; die "npm failed (see $state/npm.log)"; }
}

# shellcheck source=rabbitmq-4.sh
. "$here/rabbitmq-4.sh"
# shellcheck source=rabbitmq-4-cluster.sh
. "$here/rabbitmq-4-cluster.sh"
# shellcheck source=artemis.sh
. "$here/artemis.sh"
# shellcheck source=jms.sh
. "$here/jms.sh"

# -- certificates and users -------------------------------------------------
certs() {
  local d=$state/certs
  if [[ ! -s $d/wrong-name.pem ]] || ! openssl x509 -in "$d/server.pem" -noout -checkend 86400 >/dev/null 2>&1; then
    command -v openssl >/dev/null || apt_get openssl
    rm -rf "$d"
    mkdir -p "$d"
    {
      openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj '/CN=peers test CA' \
        -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
        -keyout "$d/ca.key" -out "$d/ca.pem"
      : >"$d/index.txt"
      printf '%s\n' '[ca]' 'default_ca=own' '[own]' "database=$d/index.txt" "new_certs_dir=$d" \
        'rand_serial=yes' 'default_md=sha256' 'policy=any' '[any]' 'commonName=supplied' >"$d/ca.conf"
      local n names from to
      local until=$(($(date +%Y) + 2))0101000000Z
      for n in server client expired wrong-name; do
        names=DNS:localhost,IP:127.0.0.1 from=20200101000000Z to=$until
        case $n in
          expired) to=20200201000000Z ;;
          wrong-name) names=DNS:elsewhere.example ;;
        esac
        openssl req -newkey rsa:2048 -nodes -subj "/CN=peer-$n" -keyout "$d/$n.key" -out "$d/$n.csr"
        openssl ca -batch -notext -config "$d/ca.conf" -cert "$d/ca.pem" -keyfile "$d/ca.key" \
          -startdate "$from" -enddate "$to" -in "$d/$n.csr" -out "$d/$n.pem" \
          -extfile <(printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$names")
      done
    } >"$d/log" 2>&1 || { tail -n 5 "$d/log" >&2; rm -f "$d/wrong-name.pem"; die "openssl failed"; }
  fi
  echo "$d"
}
sasl_users() { # the Cyrus SASL set-up of proton-broker
  local d=$state/proton-broker/sasl
  mkdir -p "$d"
  rm -f "$d/users.db"
  printf '%s' "$USER_PASSWORD" | saslpasswd2 -p -c -f "$d/users.db" "$USER_NAME" # realm: the host name
  cat >"$d/peer-broker.conf" <<C
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: $d/users.db
mech_list: ANONYMOUS EXTERNAL PLAIN SCRAM-SHA-1 SCRAM-SHA-256
C
}

# -- processes --------------------------------------------------------------
start_time() { # pid: its start, so that a reused pid is not taken for ours
  local s
  s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  s=${s##*) }
  # shellcheck disable=SC2086
  set -- $s
  [[ $1 != Z ]] && echo "${20}"
}
alive() { # pid file: is the process that it names still the one that was started?
  local pid t
  [[ -s $1 ]] && read -r pid t <"$1" && [[ $(start_time "$pid") == "$t" ]]
}
start() { # pid file, log, command...
  local pidfile=$1 log=$2 pid
  shift 2
  setsid "$@" </dev/null >>"$log" 2>&1 9>&- &
  pid=$!
  echo "$pid $(start_time "$pid" || echo gone)" >"$pidfile"
}
stop() { # pid file, seconds before KILL
  local pid t i
  if alive "$1"; then
    read -r pid t <"$1"
    kill -TERM "$pid" 2>/dev/null || true
    for ((i = 0; i < $2 * 10; i++)); do
      alive "$1" || break
      sleep 0.1
    done
    if alive "$1"; then
      note "pid $pid did not end in $2 s: killed"
      kill -KILL "$pid" 2>/dev/null || true
    fi
  fi
  rm -f "$1"
}
known() {
  local n
  for n in "${NAMES[@]}"; do [[ $n == "${1:-}" ]] && return; done
  die "unknown broker '${1:-}' (one of: ${NAMES[*]})"
}
answers() { # port: is an AMQP protocol header answered?
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf 'AMQP\003\001\000\000' >&3
    read -r -t 2 -N 4 got <&3 && [[ $got == AMQP ]]
  ) 2>/dev/null
}
free_port() { # port: does nobody listen? Threads of a process may do so for a moment after it was killed
  local i
  for ((i = 0; i < 100; i++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || return 0
    sleep 0.1
  done
  return 1
}
load() { # name: its port, tls_port, sasl, args
  [[ -s $state/$1/settings ]] || die "$1 was not started (peers.sh up $1)"
  # shellcheck source=/dev/null
  source "$state/$1/settings"
}

cmd_wait() {
  local name=$1 limit=${2:-60} i
  known "$name"
  load "$name"
  for ((i = 0; i < limit * 5; i++)); do
    answers "$port" && return
    alive "$state/$name/pid" || { tail -n 8 "$state/$name/log" >&2; die "$name has ended (peers.sh log $name)"; }
    sleep 0.2
  done
  die "$name did not answer in $limit s (peers.sh log $name)"
}

cmd_url() {
  local name=$1 tls=${2:-} auth=
  known "$name"
  load "$name"
  [[ -z $sasl ]] || auth=$USER_NAME:$USER_PASSWORD@
  if [[ $tls == --tls ]]; then
    [[ -n $tls_port ]] || die "$name was started without --tls"
    echo "amqps://${auth}localhost:$tls_port"
  else
    echo "amqp://${auth}127.0.0.1:$port"
  fi
}

cmd_up() {
  local name=${1:-} port='' tls='' tls_port='' mtls='' cert=server sasl='' extra=() args
  known "$name"
  shift
  while (($#)); do
    case $1 in
      --port) port=${2:?--port needs a number}; shift ;;
      --tls) tls=1 ;;
      --tls-port) tls=1 tls_port=${2:?--tls-port needs a number}; shift ;;
      --mtls) tls=1 mtls=1 ;;
      --cert) cert=${2:?--cert needs a name}; shift ;;
      --sasl) sasl=1 ;;
      --) shift; extra=("$@"); break ;;
      *) die "unknown option $1" ;;
    esac
    shift
  done
  case $name in
    rabbitmq) : "${port:=26672}" ;;
    rabbitmq-4) : "${port:=26680}" ;;
    proton-broker) : "${port:=26700}" ;;
    rhea-broker) : "${port:=26710}" ;;
    artemis) : "${port:=26732}" ;;
  esac
  [[ -z $tls ]] || : "${tls_port:=$((port + 1))}"
  args="$port $tls_port mtls=$mtls cert=$cert sasl=$sasl ${extra[*]:-}"
  mkdir -p "$state/$name" || die "cannot write to $state (set PEERS_STATE)"
  if alive "$state/$name/pid"; then
    local was
    was=$(
      # shellcheck source=/dev/null
      source "$state/$name/settings"
      # shellcheck disable=SC2154
      echo "$args_was"
    )
    [[ $was == "$args" ]] || die "$name already runs with other settings ($was): peers.sh down $name first"
    cmd_wait "$name"
    cmd_url "$name"
    return
  fi
  free_port "$port" || die "port $port is taken by another process"
  local certs=
  [[ -z $tls ]] || certs=$(certs)
  : >"$state/$name/log"
  case $name in
    rabbitmq) up_rabbitmq ;;
    rabbitmq-4) up_rabbitmq4 ;;
    proton-broker) up_proton ;;
    rhea-broker) up_rhea ;;
    artemis) up_artemis ;;
  esac
  printf 'port=%q tls_port=%q sasl=%q args_was=%q\n' "$port" "$tls_port" "$sasl" "$args" >"$state/$name/settings"
  cmd_wait "$name" 180
  cmd_url "$name"
}

# the variables of cmd_up are seen in these three
up_proton() {
  install_proton
  if [[ ${PEERS_PROTON:-pypi} == debian && -n $sasl ]]; then die "Debian's Proton has no Cyrus SASL: no --sasl"; fi
  sasl_users
  local o=(--port "$port" --sasl-dir "$state/proton-broker/sasl")
  if [[ -n $sasl ]]; then o+=(--require-auth --mechs "PLAIN SCRAM-SHA-1 SCRAM-SHA-256 EXTERNAL"); fi
  if [[ -n $tls ]]; then o+=(--tls-port "$tls_port" --tls-cert "$certs/$cert.pem" --tls-key "$certs/$cert.key"); fi
  if [[ -n $mtls ]]; then o+=(--tls-client-ca "$certs/ca.pem"); fi
  start "$state/proton-broker/pid" "$state/proton-broker/log" \
    "$(proton_python)" "$here/brokers/proton_broker.py" "${o[@]}" "${extra[@]}"
}
up_rhea() {
  install_rhea
  local o=(--port "$port" --user "$USER_NAME" --password "$USER_PASSWORD")
  if [[ -n $sasl ]]; then o+=(--no-anonymous); fi
  if [[ -n $tls ]]; then o+=(--tls-port "$tls_port" --tls-cert "$certs/$cert.pem" --tls-key "$certs/$cert.key"); fi
  if [[ -n $mtls ]]; then o+=(--tls-client-ca "$certs/ca.pem"); fi
  NODE_PATH=$state/node_modules start "$state/rhea-broker/pid" "$state/rhea-broker/log" \
    node "$here/brokers/rhea_broker.cjs" "${o[@]}" "${extra[@]}"
}
up_rabbitmq() {
  install_rabbitmq
  local d=$state/rabbitmq server epmd_port=$((port + 3))
  server=$(find /usr/lib/rabbitmq/lib -path '*/sbin/rabbitmq-server' | sort -V | tail -n 1)
  [[ -x $server ]] || die "rabbitmq-server's own start script was not found"
  mkdir -p "$d/logs" "$d/mnesia"
  echo '[rabbitmq_amqp1_0].' >"$d/enabled_plugins"
  : >"$d/env.conf"
  python3 - guest guest "$USER_NAME" "$USER_PASSWORD" >"$d/definitions.json" <<'PY'
import base64, hashlib, json, os, sys

def hashed(password):  # RabbitMQ's salted SHA-256 form
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()

pairs = list(zip(sys.argv[1::2], sys.argv[2::2]))
json.dump({
    "users": [{"name": u, "password_hash": hashed(p), "tags": "administrator",
               "hashing_algorithm": "rabbit_password_hashing_sha256"} for u, p in pairs],
    "vhosts": [{"name": "/"}],
    "permissions": [{"user": u, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"} for u, _ in pairs],
}, sys.stdout)
PY
  {
    echo "listeners.tcp.1 = 127.0.0.1:$port"
    if [[ -n $tls ]]; then
      echo "listeners.ssl.1 = 127.0.0.1:$tls_port"
      echo "ssl_options.cacertfile = $certs/ca.pem"
      echo "ssl_options.certfile = $certs/$cert.pem"
      echo "ssl_options.keyfile = $certs/$cert.key"
      echo "ssl_options.verify = verify_peer"
      if [[ -n $mtls ]]; then echo "ssl_options.fail_if_no_peer_cert = true"
      else echo "ssl_options.fail_if_no_peer_cert = false"; fi
    fi
    if [[ -n $sasl ]]; then echo "amqp1_0.default_user = none"; else echo "amqp1_0.default_user = guest"; fi
    echo "loopback_users.guest = true"
    echo "load_definitions = $d/definitions.json"
    echo "vm_memory_high_watermark.absolute = 1GB"
    echo "disk_free_limit.absolute = 50MB"
  } >"$d/rabbitmq.conf"
  export HOME=$d ERL_EPMD_PORT=$epmd_port ERL_EPMD_ADDRESS=127.0.0.1
  if ! alive "$d/epmd.pid"; then start "$d/epmd.pid" "$d/logs/epmd.log" epmd; fi
  export RABBITMQ_BASE=$d RABBITMQ_NODENAME=peers-$port@localhost RABBITMQ_DIST_PORT=$((port + 2)) \
    RABBITMQ_CONF_ENV_FILE=$d/env.conf RABBITMQ_CONFIG_FILE=$d/rabbitmq.conf \
    RABBITMQ_ADVANCED_CONFIG_FILE=$d/advanced.config RABBITMQ_ENABLED_PLUGINS_FILE=$d/enabled_plugins \
    RABBITMQ_MNESIA_BASE=$d/mnesia RABBITMQ_LOG_BASE=$d/logs RABBITMQ_PID_FILE=$d/server.pid \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
    RUNNING_UNDER_SYSTEMD=1 # the start script then becomes the Erlang machine: one pid
  (cd "$d" && start "$d/pid" "$d/log" "$server")
}

cmd_down() {
  local name=${1:-} wipe=${2:-} n list=("${1:-}")
  if [[ $name == all ]]; then list=("${NAMES[@]}"); cluster_down; else known "$name"; fi
  for n in "${list[@]}"; do
    stop "$state/$n/pid" 20
    stop "$state/$n/epmd.pid" 5
    if [[ $wipe == --wipe ]]; then
      rm -rf "${state:?}/$n"
      [[ $n != rabbitmq-4 ]] || wipe_rabbitmq4
    fi
  done
}

cmd_kill() {
  local pid t pidfile
  known "${1:-}"
  pidfile=$state/$1/pid
  alive "$pidfile" || die "$1 does not run"
  read -r pid t <"$pidfile"
  kill -KILL "$pid"
  while alive "$pidfile"; do sleep 0.05; done
  rm -f "$pidfile"
}

cmd_client() {
  local kind=${1:-}
  shift || true
  case $kind in
    proton)
      install_proton
      exec 9>&-
      exec "$(proton_python)" "$here/clients/proton_client.py" "$@"
      ;;
    rhea)
      install_rhea
      exec 9>&-
      NODE_PATH=$state/node_modules exec node "$here/clients/rhea_client.cjs" "$@"
      ;;
    jms)
      install_jms
      exec 9>&-
      # A short run gains nothing from the best machine code.
      exec java -XX:TieredStopAtLevel=1 -cp "$jms_home:$jms_home/*" JmsClient "$@"
      ;;
    *) die "client proton|rhea SCENARIO URL [options], or client jms URL [PATTERN]" ;;
  esac
}

cmd_status() {
  local n
  for n in "${NAMES[@]}"; do
    if alive "$state/$n/pid"; then echo "$n up $(cmd_url "$n")"; else echo "$n down"; fi
  done
}

command=${1:-}
shift || true
case $command in
  install | up | down | kill | client | certs | cluster) lock ;;
esac
case $command in
  install)
    (($#)) || set -- rabbitmq rabbitmq-4 proton proton-examples rhea artemis jms
    for n in "$@"; do
      case $n in
        rabbitmq) install_rabbitmq ;;
        rabbitmq-4) install_rabbitmq4 ;;
        proton | proton-broker) install_proton ;;
        proton-examples) install_proton_examples ;;
        rhea | rhea-broker) install_rhea ;;
        artemis) install_artemis ;;
        jms) install_jms ;;
        *) die "install rabbitmq|rabbitmq-4|proton|proton-examples|rhea|artemis|jms" ;;
      esac
    done
    ;;
  up) cmd_up "$@" ;;
  wait) cmd_wait "${1:?wait NAME}" "${2:-60}" ;;
  url) cmd_url "${1:?url NAME}" "${2:-}" ;;
  certs) certs ;;
  status) cmd_status ;;
  log) known "${1:-}"; cat "$state/$1/log" ;;
  kill) cmd_kill "$@" ;;
  down) cmd_down "$@" ;;
  queued) cmd_queued "${1:?queued QUEUE}" ;;
  declare) cmd_declare "${1:?declare QUEUE TYPE}" "${2:?declare QUEUE TYPE}" ;;
  cluster) cmd_cluster "$@" ;;
  client) cmd_client "$@" ;;
  help | -h | --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
