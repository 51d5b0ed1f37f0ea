# A cluster of three nodes of RabbitMQ 4 for peers.sh, which sources this file after rabbitmq-4.sh. Node N listens on the first
# port + 2 N, and for the others on the port after that; epmd has the first. `down` takes the data away.
# shellcheck shell=bash disable=SC2154 # the variables are those of peers.sh and rabbitmq-4.sh

CLUSTER=(1 2 3)
cluster=$state/rabbitmq-4-cluster

cluster_words() { # node command...: prints the words that run this beside the node
  local n=$1 first
  shift
  first=$(<"$cluster/port")
  rmq4_beside "n$n@localhost" "$RMQ4_DATA/cluster/n$n" "$((first + 2 * n + 1))" "$first" "$@"
}

cluster_ctl() { # rabbitmqctl's arguments, at the first node that runs
  local n words
  for n in "${CLUSTER[@]}"; do
    alive "$cluster/n$n.pid" || continue
    mapfile -d '' words < <(cluster_words "$n" "$RMQ4_BIN/rabbitmqctl" -q "$@")
    "${words[@]}"
    return
  done
  die "no node of the cluster runs (peers.sh cluster up)"
}

cluster_node() { [[ ${1:-} =~ ^[1-3]$ ]] || die "a node is 1, 2 or 3, not '${1:-}'"; }

cluster_configure() { # node
  local n=$1 i port=$(($(<"$cluster/port") + 2 * $1)) tls='' sasl='' dir=$rmq4_root$RMQ4_DATA/cluster/n$1
  mkdir -p "$dir"
  {
    rmq4_config
    echo 'cluster_formation.peer_discovery_backend = classic_config'
    for i in "${CLUSTER[@]}"; do echo "cluster_formation.classic_config.nodes.$i = n$i@localhost"; done
  } >"$dir/rabbitmq.conf"
  echo '[].' >"$dir/enabled_plugins"
}

cluster_start() { # node
  local words
  mapfile -d '' words < <(cluster_words "$1" "$RMQ4_BIN/rabbitmq-server")
  start "$cluster/n$1.pid" "$cluster/n$1.log" "${words[@]}"
}

cluster_wait() { # node
  local i
  for ((i = 0; i < 600; i++)); do
    answers "$(($(<"$cluster/port") + 2 * $1))" && return
    alive "$cluster/n$1.pid" || { tail -n 8 "$cluster/n$1.log" >&2; die "node $1 of the cluster has ended"; }
    sleep 0.2
  done
  die "node $1 of the cluster did not answer in two minutes (see $cluster/n$1.log)"
}

cluster_up() { # --port P
  local n words
  [[ ${1:-} == --port && -n ${2:-} ]] || die "cluster up --port P"
  install_rabbitmq4
  cluster_down
  mkdir -p "$cluster"
  echo "$2" >"$cluster/port"
  rmq4_cookie
  mapfile -d '' words < <(cluster_words 1 epmd)
  start "$cluster/epmd.pid" "$cluster/epmd.log" "${words[@]}"
  for n in "${CLUSTER[@]}"; do cluster_configure "$n"; done
  for n in "${CLUSTER[@]}"; do cluster_start "$n"; done
  for n in "${CLUSTER[@]}"; do cluster_wait "$n"; done
}

cluster_down() {
  local n
  for n in "${CLUSTER[@]}"; do stop "$cluster/n$n.pid" 20; done
  stop "$cluster/epmd.pid" 5
  rm -rf --one-file-system "$rmq4_root${RMQ4_DATA:?}/cluster" "$cluster"
}

cmd_cluster() { # up --port P | kill N | start N | down | declare QUEUE | leader QUEUE
  local what=${1:-} pid t
  shift || true
  case $what in
    up) cluster_up "$@" ;;
    down) cluster_down ;;
    declare) rmq4_declare cluster_ctl "$1" quorum ;;
    leader) # the number of the node that leads a quorum queue
      cluster_ctl eval "{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"/\">>, queue, <<\"$1\">>)),
        amqqueue:get_leader_node(Q)." | tr -dc '0-9\n'
      ;;
    kill)
      cluster_node "${1:-}"
      alive "$cluster/n$1.pid" || die "node $1 does not run"
      read -r pid t <"$cluster/n$1.pid"
      kill -KILL "$pid"
      while alive "$cluster/n$1.pid"; do sleep 0.05; done
      rm -f "$cluster/n$1.pid"
      ;;
    start)
      cluster_node "${1:-}"
      cluster_start "$1"
      cluster_wait "$1"
      ;;
    *) die "cluster up --port P, cluster down, cluster declare QUEUE, cluster leader QUEUE, cluster kill N or cluster start N" ;;
  esac
}
