#!/usr/bin/env bash
# A real S3 server for tests: Ceph RADOS Gateway (one mon, one osd, one radosgw) from Debian,
# on loopback, as root, without systemd, mgr or keyrings.   usage: s3.sh start|stop|status|env|wipe|restart-gw|kill-gw
set -euo pipefail

S3_DIR=${S3_DIR:-${TMPDIR:-/tmp}/s3-ceph}  # all state lives here
S3_PORT=${S3_PORT:-9000}                 # S3 endpoint, loopback only
S3_ADDR=${S3_ADDR:-127.0.0.1}
S3_MON_PORT=${S3_MON_PORT:-13300}
S3_ACCESS_KEY=${S3_ACCESS_KEY:-minioadmin}
S3_SECRET_KEY=${S3_SECRET_KEY:-minioadmin}
S3_STORE=${S3_STORE:-memstore}           # memstore (RAM, fast) | bluestore (sparse file, survives a restart)
S3_SIZE=${S3_SIZE:-8589934592}           # capacity in bytes
S3_TLS_CERT=${S3_TLS_CERT:-}             # PEM with certificate and key: also serve https on S3_TLS_PORT
S3_TLS_PORT=${S3_TLS_PORT:-9443}
S3_TIMEOUT=${S3_TIMEOUT:-60}

CONF=$S3_DIR/ceph.conf
ceph_() { timeout 30 ceph -c "$CONF" --connect-timeout 20 "$@"; }
say()   { echo "s3: $*" >&2; }
die()   { say "$*"; exit 1; }
pid_of() { cat "$S3_DIR/run/$1.pid" 2>/dev/null || true; }
# alive NAME: the recorded pid runs and is still the program we started
alive() { local p; p=$(pid_of "$1"); [ -n "$p" ] && [ -e "/proc/$p" ] && tr '\0' ' ' <"/proc/$p/cmdline" | grep -qF "$CONF"; }
wait_for() { # wait_for WHAT SECONDS CMD...
  local what=$1 end=$(( SECONDS + $2 )); shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$what not ready in time; see $S3_DIR/log"
    sleep 0.1
  done
}

install() {
  command -v radosgw >/dev/null && command -v ceph-osd >/dev/null && command -v ceph-mon >/dev/null && return 0
  say "installing ceph-mon ceph-osd radosgw"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
    install ceph-mon ceph-osd radosgw >"${TMPDIR:-/tmp}/s3-apt.log" 2>&1 || { tail -20 "${TMPDIR:-/tmp}/s3-apt.log" >&2; die "apt-get failed"; }
}

write_conf() {
  mkdir -p "$S3_DIR"/{run,log,mon,osd}
  local fe="beast endpoint=$S3_ADDR:$S3_PORT tcp_nodelay=1"
  [ -z "$S3_TLS_CERT" ] || fe="$fe ssl_endpoint=$S3_ADDR:$S3_TLS_PORT ssl_certificate=$S3_TLS_CERT"
  [ -s "$S3_DIR/fsid" ] || cat /proc/sys/kernel/random/uuid >"$S3_DIR/fsid"
  [ -s "$S3_DIR/osd_uuid" ] || cat /proc/sys/kernel/random/uuid >"$S3_DIR/osd_uuid"
  cat >"$CONF" <<CONF
[global]
fsid = $(cat "$S3_DIR/fsid")
mon host = [v2:$S3_ADDR:$S3_MON_PORT/0]
public addr = $S3_ADDR
cluster addr = $S3_ADDR
ms bind ipv4 = true
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms cluster mode = crc
ms service mode = crc
ms client mode = crc
pid file = $S3_DIR/run/\$name.\$pid.own
admin socket = $S3_DIR/run/\$name.\$pid.asok
log file = $S3_DIR/log/\$type.log
run dir = $S3_DIR/run
crash dir = $S3_DIR/run
mon cluster log file = $S3_DIR/log/cluster.log
keyring = /dev/null
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
mon data avail crit = 1
mon data avail warn = 2
mon osd full ratio = 0.96
debug ms = 0
[mon]
mon data = $S3_DIR/mon
mon initial members = a
paxos propose interval = 0.02
paxos min wait = 0.01
mon tick interval = 2
auth allow insecure global id reclaim = false
mon warn on pool no redundancy = false
[osd]
osd data = $S3_DIR/osd
osd objectstore = $S3_STORE
memstore device bytes = $S3_SIZE
bluestore block size = $S3_SIZE
bluestore block create = true
bluestore fsck on mount = false
osd memory target = 1073741824
osd crush initial weight = 1
[client]
rgw enable usage log = false
rgw enable ops log = false
rgw thread pool size = 32
rgw frontends = $fe
rgw dynamic resharding = false
rgw run sync thread = false
rgw gc processor period = 60
rgw gc obj min wait = 30
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = testkey=$(printf %s "a key of 32 bytes for tests only" | base64)
CONF
}

daemon() { # daemon NAME CMD...: start detached, record pid, log to a file
  local name=$1; shift
  setsid "$@" </dev/null >>"$S3_DIR/log/$name.out" 2>&1 &
  echo $! >"$S3_DIR/run/$name.pid"
}

start_mon() {
  alive mon && return 0
  if [ ! -e "$S3_DIR/mon/store.db" ]; then
    monmaptool --create --clobber --fsid "$(cat "$S3_DIR/fsid")" --addv a "[v2:$S3_ADDR:$S3_MON_PORT/0]" "$S3_DIR/monmap" >/dev/null
    ceph-mon -c "$CONF" -i a --mkfs --monmap "$S3_DIR/monmap" >>"$S3_DIR/log/mon.out" 2>&1
  fi
  daemon mon ceph-mon -c "$CONF" -i a -f
  wait_for "monitor" "$S3_TIMEOUT" ceph_ mon stat
}

start_osd() {
  alive osd && return 0
  if [ ! -e "$S3_DIR/osd/whoami" ]; then
    ceph_ osd new "$(cat "$S3_DIR/osd_uuid")" 0 >/dev/null
    ceph-osd -c "$CONF" -i 0 --mkfs --osd-uuid "$(cat "$S3_DIR/osd_uuid")" >>"$S3_DIR/log/osd.out" 2>&1
  fi
  daemon osd ceph-osd -c "$CONF" -i 0 -f
  wait_for "osd" "$S3_TIMEOUT" osd_up
}
osd_up() { ceph_ osd stat | grep -q '1 up'; }

start_gw() {
  alive rgw && return 0
  daemon rgw radosgw -c "$CONF" -n client.rgw -f
  wait_for "gateway" "$S3_TIMEOUT" gw_up
}
gw_up() { (exec 3<>"/dev/tcp/$S3_ADDR/$S3_PORT") && alive rgw; }

make_user() {
  local admin=(timeout "$S3_TIMEOUT" radosgw-admin -c "$CONF" -n client.admin)
  "${admin[@]}" user info --uid=test >/dev/null 2>&1 && return 0
  "${admin[@]}" user create --uid=test --display-name=test --access-key="$S3_ACCESS_KEY" --secret-key="$S3_SECRET_KEY" \
    >"$S3_DIR/log/user.json" 2>>"$S3_DIR/log/user.out" || die "could not make the user; see $S3_DIR/log/user.out"
}

stop_one() { # stop_one NAME [SIGNAL]: only the process we started; KILL after 10 s
  local p; alive "$1" || { rm -f "$S3_DIR/run/$1.pid"; return 0; }
  p=$(pid_of "$1"); kill "-${2:-TERM}" "$p" 2>/dev/null || true
  for _ in $(seq 100); do [ -e "/proc/$p" ] || break; sleep 0.1; done
  [ ! -e "/proc/$p" ] || kill -KILL "$p" 2>/dev/null || true
  rm -f "$S3_DIR/run/$1.pid"
}

print_env() {
  echo "S3_ENDPOINT=$S3_ADDR:$S3_PORT"
  echo "S3_ACCESS_KEY=$S3_ACCESS_KEY"
  echo "S3_SECRET_KEY=$S3_SECRET_KEY"
  [ -z "$S3_TLS_CERT" ] || echo "S3_TLS_ENDPOINT=$S3_ADDR:$S3_TLS_PORT"
}

case ${1:-} in
  start)
    install
    # memstore dies with its osd: begin afresh rather than on a map of lost objects
    if [ "$S3_STORE" = memstore ] && [ -e "$S3_DIR/osd/whoami" ] && ! alive osd; then "$0" wipe; fi
    write_conf
    start_mon; start_osd
    make_user
    start_gw
    print_env ;;
  stop)       for d in rgw osd mon; do stop_one $d; done ;;
  status)     for d in mon osd rgw; do alive $d && echo "$d $(pid_of $d) up" || { echo "$d down"; rc=1; }; done; exit ${rc:-0} ;;
  env)        print_env ;;
  wipe)       for d in rgw osd mon; do stop_one $d KILL; done; rm -rf "$S3_DIR" ;;
  kill-gw)    alive rgw && kill -KILL "$(pid_of rgw)"; rm -f "$S3_DIR/run/rgw.pid" ;;
  restart-gw) stop_one rgw; write_conf; start_gw ;;
  *) echo "usage: $0 start|stop|status|env|wipe|restart-gw|kill-gw" >&2; exit 2 ;;
esac
