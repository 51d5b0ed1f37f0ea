# Apache Artemis for peers.sh, which sources this file: one broker with a journal, in a folder of its own. It needs Java; the
# broker comes from Maven's central repository, and is what its checksum says.
# shellcheck shell=bash disable=SC2154 # the variables are those of peers.sh

ARTEMIS=2.40.0
ARTEMIS_SHA512=9ddb9f25f967dd78b88e4ecac67f8aa3cf1e3caabfd58fb520dee8e691b7351c727f7c7b2ad603cf38261c1f05a3231db6f9aabe5b933aefef6f71f3d3f8eacb
artemis_home=$state/apache-artemis-$ARTEMIS

install_artemis() {
  local zip=$state/apache-artemis-$ARTEMIS-bin.zip
  command -v java >/dev/null || apt_get openjdk-17-jre-headless
  [[ -x $artemis_home/bin/artemis ]] && return
  command -v mvn >/dev/null || apt_get maven
  note "Artemis $ARTEMIS, by Maven"
  mkdir -p "$state"
  mvn -q -B dependency:copy "-Dartifact=org.apache.activemq:apache-artemis:$ARTEMIS:zip:bin" \
    "-DoutputDirectory=$state" >"$state/artemis.log" 2>&1 ||
    { tail -n 5 "$state/artemis.log" >&2; die "Maven failed (see $state/artemis.log)"; }
  echo "$ARTEMIS_SHA512  $zip" | sha512sum --check --quiet || { rm -f "$zip"; die "$zip is not what it should be"; }
  rm -rf "$artemis_home" "$state/artemis.new"
  /usr/bin/python3 -m zipfile -e "$zip" "$state/artemis.new" || die "$zip was not unpacked"
  chmod +x "$state/artemis.new/apache-artemis-$ARTEMIS/bin/artemis"
  mv "$state/artemis.new/apache-artemis-$ARTEMIS" "$artemis_home"
  rm -rf "$state/artemis.new" "$zip"
}

up_artemis() { # the variables of cmd_up are seen here
  install_artemis
  [[ -z $tls$sasl ]] || die "Artemis is started without --tls and --sasl"
  local d=$state/artemis/instance
  if [[ ! -e $d/etc/broker.xml ]]; then
    rm -rf "$d"
    "$artemis_home/bin/artemis" create "$d" --user "$USER_NAME" --password "$USER_PASSWORD" --allow-anonymous --silent \
      --no-web --nio --host 127.0.0.1 --java-options '-Xms128m -Xmx512m' >>"$state/artemis/log" 2>&1 ||
      { tail -n 5 "$state/artemis/log" >&2; die "no instance of Artemis was made"; }
    artemis_configure "$d/etc/broker.xml"
  fi
  sed -i -E "s|(<acceptor name=\"amqp\">tcp://127.0.0.1:)[0-9]+|\1$port|" "$d/etc/broker.xml"
  # The start script becomes the Java machine: one pid.
  start "$state/artemis/pid" "$state/artemis/log" "$d/bin/artemis" run
}

# Writes into broker.xml: one acceptor, which has threads enough for connections that leave theirs hanging; queues that are not
# copied to every receiver; messages that may come back any number of times, as after ten they would be dead letters; a disk may
# be full.
artemis_configure() { # broker.xml
  /usr/bin/python3 - "$1" <<'PY'
import re, sys

path = sys.argv[1]
text = open(path, encoding="utf-8").read()
text = re.sub(r"<acceptors>.*</acceptors>",
              '<acceptors><acceptor name="amqp">tcp://127.0.0.1:0?protocols=AMQP;remotingThreads=64</acceptor></acceptors>', text, flags=re.S)
text = re.sub(r"<max-disk-usage>.*?</max-disk-usage>", "<max-disk-usage>100</max-disk-usage>", text)
text = re.sub(r"<critical-analyzer>true", "<critical-analyzer>false", text)
queues = ("<default-address-routing-type>ANYCAST</default-address-routing-type>"
          "<max-delivery-attempts>-1</max-delivery-attempts>")
text = text.replace('<address-setting match="#">', f'<address-setting match="#">{queues}')
if text.count('name="amqp"') != 1 or queues not in text or text.count("max-delivery-attempts>") != 2:
    sys.exit("broker.xml is not as expected")
open(path, "w", encoding="utf-8").write(text)
PY
}
