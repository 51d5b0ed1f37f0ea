# Qpid JMS for peers.sh, which sources this file: the client of clients/JmsClient.java, compiled. It needs a JDK; the library comes
# from Maven's central repository, with what it needs, and is what its checksum says.
# shellcheck shell=bash disable=SC2154 # the variables are those of peers.sh

QPID_JMS=1.12.1
QPID_JMS_SHA512=466c83901a0e42aa82e9fef3146c9607d69a02914921637c948fb2ec9a6122bfe7d1db6ace0dcd0226660fb5240f4e753d66ebbbfc1cc8b9af9832ba868add96
jms_home=$state/qpid-jms-$QPID_JMS

install_jms() {
  local jar=qpid-jms-client-$QPID_JMS.jar new=$state/qpid-jms.new
  command -v javac >/dev/null || apt_get openjdk-17-jdk-headless
  if [[ ! -e $jms_home/$jar ]]; then
    command -v mvn >/dev/null || apt_get maven
    note "Qpid JMS $QPID_JMS, by Maven"
    rm -rf "$new"
    mkdir -p "$new"
    printf '%s' '<project><modelVersion>4.0.0</modelVersion><groupId>interop</groupId><artifactId>jms</artifactId>' \
      '<version>1</version><dependencies><dependency><groupId>org.apache.qpid</groupId>' \
      "<artifactId>qpid-jms-client</artifactId><version>$QPID_JMS</version></dependency></dependencies></project>" >"$new/pom.xml"
    mvn -q -B -f "$new/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$new" >"$state/jms.log" 2>&1 ||
      { tail -n 5 "$state/jms.log" >&2; die "Maven failed (see $state/jms.log)"; }
    echo "$QPID_JMS_SHA512  $new/$jar" | sha512sum --check --quiet || { rm -rf "$new"; die "$jar is not what it should be"; }
    rm -rf "$jms_home"
    mv "$new" "$jms_home"
  fi
  if [[ ! $jms_home/JmsClient.class -nt $here/clients/JmsClient.java ]]; then
    javac -cp "$jms_home/*" -d "$jms_home" "$here/clients/JmsClient.java" || die "JmsClient.java does not compile"
  fi
}
