# RabbitMQ 4 for peers.sh, which sources this file: one node, as the newest Debian packages it, in a root file system of its
# own (debootstrap, once), since it needs a newer Erlang than the machine may have. Its data lies in that root file system.
# RMQ4_SUITE names another release of Debian to take it from (forky), RMQ4_MIRROR another mirror than apt's.
# shellcheck shell=bash disable=SC2154 # the variables are those of peers.sh

rmq4_root=$state/rabbitmq-4-root
RMQ4_DATA=/var/lib/rabbitmq-4 # inside the root file system
RMQ4_BIN=/usr/lib/rabbitmq/bin

rmq4_mirror() { # the first mirror of Debian in apt's configuration
  [[ -z ${RMQ4_MIRROR:-} ]] || { echo "$RMQ4_MIRROR"; return; }
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -E '/debian/?$' | head -n 1
}

install_rabbitmq4() {
  local mirror suite=${RMQ4_SUITE:-forky}
  [[ -e $rmq4_root.installed ]] && return
  [[ $(id -u) == 0 ]] || die "RabbitMQ 4 needs root, for debootstrap and chroot"
  command -v debootstrap >/dev/null || apt_get debootstrap
  mirror=$(rmq4_mirror)
  [[ -n $mirror ]] || die "apt's configuration names no mirror of Debian (set RMQ4_MIRROR)"
  note "RabbitMQ 4 of Debian $suite, by debootstrap (about half a minute)"
  rm -rf --one-file-system "$rmq4_root"
  # `sid` has the rules for every release that debootstrap does not know yet.
  debootstrap --variant=minbase --include=rabbitmq-server "$suite" "$rmq4_root" "$mirror" \
    /usr/share/debootstrap/scripts/sid >"$state/debootstrap.log" 2>&1 ||
    { tail -n 5 "$state/debootstrap.log" >&2; die "debootstrap failed (see $state/debootstrap.log)"; }
  echo '127.0.0.1 localhost' >"$rmq4_root/etc/hosts"
  # There is no /proc inside, and the disk monitor asks df.
  rm -f "$rmq4_root/etc/mtab"
  echo 'root / ext4 rw 0 0' >"$rmq4_root/etc/mtab"
  chroot "$rmq4_root" dpkg-query -W rabbitmq-server >"$rmq4_root.new" || die "no rabbitmq-server in $rmq4_root"
  mv "$rmq4_root.new" "$rmq4_root.installed"
  note "$(tr '\t' ' ' <"$rmq4_root.installed")"
}

rmq4_inside() { # port command...: prints the words that run this beside the node
  local port=$1
  shift
  rmq4_beside "peers-$port@localhost" "$RMQ4_DATA" "$((port + 2))" "$((port + 3))" "$@"
}

rmq4_beside() { # name of the node, its folder, ports of distribution and of epmd, command...: prints the words for it
  local name=$1 data=$2 dist=$3 epmd=$4
  shift 4
  printf '%s\0' chroot "$rmq4_root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    HOME="$RMQ4_DATA" HOSTNAME=localhost ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$epmd" \
    RABBITMQ_NODENAME="$name" RABBITMQ_DIST_PORT="$dist" \
    RABBITMQ_MNESIA_BASE="$data/mnesia" RABBITMQ_LOG_BASE="$data/log" \
    RABBITMQ_CONFIG_FILE="$data/rabbitmq.conf" RABBITMQ_PID_FILE="$data/pid" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$data/enabled_plugins" RUNNING_UNDER_SYSTEMD=1 \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
    RABBITMQ_CTL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' "$@"
}

rmq4_config() { # what the node is configured with; the variables are those of cmd_up
  printf '%s\n' "listeners.tcp.1 = 127.0.0.1:$port" 'loopback_users = none' \
    "default_user = $USER_NAME" "default_pass = $USER_PASSWORD" \
    'auth_mechanisms.1 = PLAIN' 'auth_mechanisms.2 = AMQPLAIN'
  if [[ -z $sasl ]]; then
    printf '%s\n' 'auth_mechanisms.3 = ANONYMOUS' \
      "anonymous_login_user = $USER_NAME" "anonymous_login_pass = $USER_PASSWORD"
  else
    echo 'anonymous_login_user = none'
  fi
  # The machine is everybody's: how full its disk and memory are says nothing of the node.
  printf '%s\n' 'disk_free_limit.absolute = 50MB' 'vm_memory_calculation_strategy = allocated' \
    'total_memory_available_override_value = 4GB'
  if [[ -n $tls ]]; then
    printf '%s\n' "listeners.ssl.1 = 127.0.0.1:$tls_port" "ssl_options.cacertfile = $RMQ4_DATA/tls/ca.pem" \
      "ssl_options.certfile = $RMQ4_DATA/tls/$cert.pem" "ssl_options.keyfile = $RMQ4_DATA/tls/$cert.key" \
      'ssl_options.verify = verify_peer' "ssl_options.fail_if_no_peer_cert = ${mtls:+true}"
  fi | sed 's/= $/= false/'
}

rmq4_cookie() { # the secret that the nodes and their tools share
  local file=$rmq4_root$RMQ4_DATA/.erlang.cookie
  [[ ! -e $file ]] || return 0
  mkdir -p "$rmq4_root$RMQ4_DATA"
  (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$file")
  chmod 400 "$file"
}

up_rabbitmq4() {
  install_rabbitmq4
  local data=$rmq4_root$RMQ4_DATA d=$state/rabbitmq-4 words
  mkdir -p "$data/tls"
  [[ -z $tls ]] || cp "$certs"/*.pem "$certs"/*.key "$data/tls/"
  rmq4_config >"$data/rabbitmq.conf"
  echo '[].' >"$data/enabled_plugins"
  rmq4_cookie
  if ! alive "$d/epmd.pid"; then
    mapfile -d '' words < <(rmq4_inside "$port" epmd)
    start "$d/epmd.pid" "$d/epmd.log" "${words[@]}"
  fi
  mapfile -d '' words < <(rmq4_inside "$port" "$RMQ4_BIN/rabbitmq-server")
  start "$d/pid" "$d/log" "${words[@]}"
}

rmq4_ctl() { # rabbitmqctl's arguments
  local words
  load rabbitmq-4
  mapfile -d '' words < <(rmq4_inside "$port" "$RMQ4_BIN/rabbitmqctl" -q "$@")
  "${words[@]}"
}

cmd_declare() { # name type: a durable queue of RabbitMQ 4
  rmq4_declare rmq4_ctl "$@"
}

rmq4_declare() { # the command that is rabbitmqctl there, name, type
  local ctl=$1 name=$2 type=$3 said
  [[ $name =~ ^[A-Za-z0-9._-]+$ ]] || die "a queue has a name of letters, digits, dots, _ and -: $name"
  [[ $type =~ ^(classic|quorum|stream)$ ]] || die "no type of queue: $type"
  said=$("$ctl" eval "element(1, rabbit_amqqueue:declare(rabbit_misc:r(<<\"/\">>, queue, <<\"$name\">>), true, false,
    [{<<\"x-queue-type\">>, longstr, <<\"$type\">>}], none, <<\"$USER_NAME\">>)).") || die "$name was not declared: $said"
  [[ $said =~ ^(new|existing)$ ]] || die "$name was not declared: $said"
  # A node that is killed less than half a second later forgets that a quorum queue's log is its own, and starts with an empty
  # one ("Quorum queue recovery: ... name_not_registered" in its log): what it has accepted by then is lost. It writes that
  # list down 500 ms after the last change (`auto_save` of ra's names.dets), so it is told to do so now.
  if [[ $type == quorum ]]; then
    said=$("$ctl" eval "#{names := #{directory_rev := Names}} = ra_system:fetch(quorum_queues), dets:sync(Names).") ||
      die "$name is not written down: $said"
    [[ $said == ok ]] || die "$name is not written down: $said"
  fi
  echo "/queues/$name"
}

cmd_queued() { # name: how many messages are in a queue of RabbitMQ 4, by the queue itself: its metrics are late
  local said
  said=$(rmq4_ctl eval "{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"/\">>, queue, <<\"$1\">>)),
    {ok, Messages, _} = rabbit_amqqueue:stat(Q), Messages.") || die "the queue $1 does not answer: $said"
  echo "$said"
}

wipe_rabbitmq4() { rm -rf --one-file-system "$rmq4_root${RMQ4_DATA:?}"; }
