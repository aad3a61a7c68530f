# shellcheck shell=bash
# The parts of a fleet, by name:
#
#	postgres                 the event store
#	clickhouse               the click store, unless it is a file
#	redis-SHARD-N            the Redis instances of a shard; the first is its primary until Sentinel says otherwise
#	sentinel-N               three, if shards are replicated
#	rear-N | api-N, worker-N snowlink behind the edges
#	edge-N                   snowlink that visitors speak to
#	one                      all of snowlink in one process

host=127.0.0.1
become=() # what runs a command as the user postgres, if this is root
[ "$(id -u)" != 0 ] || become=(setpriv --reuid=postgres --regid=postgres --init-groups --)

# parts prints the names of all parts in the order in which they start.
parts() {
	local shard
	[ "$event_store" = sqlite ] || echo postgres
	[ "$click_store" = duckdb ] || echo clickhouse
	for shard in $shards $spares; do
		numbered "redis-$shard" $((replicas + 1))
	done
	((replicas == 0)) || numbered sentinel 3
	case $layout in
	one) echo one ;;
	rear) numbered rear "$rears" ;;
	apart) numbered api "$rears" && numbered worker "$workers" ;;
	esac
	[ "$layout" = one ] || numbered edge "$edges"
}

numbered() {
	local i
	for ((i = 1; i <= $2; i++)); do echo "$1-$i"; done
}

# port_of WHAT prints the port of a part, which it is given when it is first asked for and then keeps.
# PART.admin and PART.api are ports too.
port_of() {
	local name port
	while read -r name port; do
		[ "$name" != "$1" ] || { echo "$port"; return; }
	done <"$dir/ports"
	port=$(next_port)
	echo "$1 $port" >>"$dir/ports"
	echo "$port"
}

# next_port prints the next port that nobody listens on and no part was promised.
next_port() {
	local last
	last=$(tail -n 1 "$dir/ports")
	last=${last##* }
	while ((++last < 65536)); do
		if ! listening "$last"; then
			echo "$last"
			return
		fi
	done
	die "no port is free above $base_port"
}

# listening PORT tells whether somebody listens there.
listening() { (exec 3<>"/dev/tcp/$host/$1") 2>/dev/null; }

# prepare NAME makes what a part needs before its first start.
prepare() {
	local conf=$dir/conf/$1.conf
	mkdir -p "$dir/data/$1"
	case $1 in
	redis-* | sentinel-*) [ -e "$conf" ] || configure "$1" >"$conf" ;;
	clickhouse) [ -e "$conf" ] || { filled "$here/clickhouse.xml" clickhouse >"$conf" && cp "$here/clickhouse-users.xml" "$dir/conf/"; } ;;
	postgres) [ -e "$dir/data/postgres/PG_VERSION" ] || make_postgres ;;
	esac
}

# configure NAME prints the configuration of a Redis instance or a sentinel.
configure() {
	local name=$1 shard
	filled "$here/${name%%-*}.conf" "$name"
	[[ $name == redis-* ]] && ((replicas > 0)) || return 0
	cat "$here/replicated.conf"
	shard=${name#redis-} shard=${shard%-*}
	[ "$name" = "redis-$shard-1" ] || echo "replicaof $host $(port_of "redis-$shard-1")"
}

# filled FILE NAME prints a template with the values of a part.
filled() {
	local text
	text=$(<"$1")
	text=${text//@PORT@/$(port_of "$2")}
	printf '%s\n' "${text//@DATA@/$dir/data/$2}"
}

# make_postgres makes the cluster of databases. Who may reach the port may use them.
make_postgres() {
	local data=$dir/data/postgres
	if [ "$(id -u)" = 0 ]; then
		chown postgres: "$data"
		as_postgres test -x "$data" || die "the user postgres, as whom PostgreSQL runs, cannot reach $dir: choose another folder, or make those above it passable"
	fi
	as_postgres "$postgres/initdb" -D "$data" -U snowlink --auth=trust --encoding=UTF8 --locale=C >"$dir/log/initdb.log" 2>&1 ||
		die "initdb: $(tail -n 3 "$dir/log/initdb.log")"
	filled "$here/postgresql.conf" postgres >>"$data/postgresql.conf"
}

# as_postgres COMMAND… runs a command as the user postgres where root, whom PostgreSQL refuses, runs this.
as_postgres() { "${become[@]}" "$@"; }

# begin NAME starts a part.
begin() {
	local name=$1 conf=$dir/conf/$1.conf
	[ "$(state_of "$name")" = down ] || return 0
	prepare "$name"
	case $name in
	redis-*) launch "$name" redis-server "$conf" ;;
	sentinel-*) launch "$name" redis-server "$conf" --sentinel ;;
	clickhouse) launch clickhouse clickhouse-server --config-file="$conf" ;;
	postgres) launch postgres "${become[@]}" "$postgres/postgres" -D "$dir/data/postgres" ;;
	*) begin_snowlink "$name" ;;
	esac
}

# begin_snowlink NAME starts a process of snowlink. Secrets and addresses that may hold some reach it by files and by its
# environment, which other users of the machine cannot read.
begin_snowlink() {
	local name=$1 role
	local flags=(--data-dir="$dir/data/$name" --admin-listen="$host:$(port_of "$name.admin")" --base-url="$(public_url)")
	case ${name%-*} in
	one) role=edge,api,worker ;;
	rear) role=api,worker ;;
	*) role=${name%-*} ;;
	esac
	flags+=(--role="$role")
	[[ $role != *edge* ]] || flags+=(--listen="$host:$(port_of "$name")")
	[[ $role != api* ]] || flags+=(--api-listen="$host:$(port_of "$name")")
	(
		export SNOWLINK_ADMIN_KEY_FILE=$dir/secret/admin-key SNOWLINK_REDIS HOME=$dir/data/$name XDG_CONFIG_HOME=$dir/data/$name
		SNOWLINK_REDIS=$(members "$shards")
		if [ "$layout" != one ]; then
			export SNOWLINK_CLUSTER_SECRET_FILE=$dir/secret/cluster-secret
			[[ $role == edge || $click_store == duckdb ]] || export SNOWLINK_CLICK_STORE="clickhouse://$host:$(port_of clickhouse)/default"
			[[ $role == edge || $event_store == sqlite ]] || export SNOWLINK_EVENT_STORE="postgres://snowlink@$host:$(port_of postgres)/postgres?sslmode=disable"
		fi
		launch "$name" "$binary" serve "${flags[@]}" "${extra[@]}"
	)
}

public_url() {
	local edge=edge-1
	[ "$layout" != one ] || edge=one
	echo "http://$host:$(port_of "$edge")"
}

# members SHARDS prints the shards as --redis takes them: one that is replicated is found by its sentinels.
members() {
	local shard i list=() sentinels=()
	for i in 1 2 3; do
		((replicas == 0)) || sentinels+=("$host:$(port_of sentinel-$i)")
	done
	for shard in $1; do
		if ((replicas > 0)); then
			list+=("$shard=redis+sentinel://$(joined "${sentinels[@]}")/$shard")
		else
			list+=("$shard=redis://$host:$(port_of "redis-$shard-1")")
		fi
	done
	joined "${list[@]}"
}

joined() {
	local IFS=,
	echo "$*"
}

# ready NAME tells whether a part answers as it should.
ready() {
	case $1 in
	redis-* | sentinel-*) [ "$(ask "$1" ping 2>/dev/null)" = PONG ] ;;
	clickhouse) [[ $(http "$(port_of clickhouse)" /ping) == *" 200 "* ]] ;;
	postgres) "$postgres/pg_isready" -q -h "$host" -p "$(port_of postgres)" -U snowlink 2>/dev/null ;;
	*) [[ $(http "$(port_of "$1.admin")" /readyz) == *" 200 "* ]] ;;
	esac
}

# ask NAME COMMAND… puts a command to a Redis instance or a sentinel.
ask() {
	local name=$1
	shift
	redis-cli -h "$host" -p "$(port_of "$name")" "$@"
}

# http PORT PATH prints the first line of the answer.
http() {
	local line
	{
		exec 3<>"/dev/tcp/$host/$1" || return 1
		printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
		read -r -t 5 line <&3
		exec 3>&-
	} 2>/dev/null
	echo "$line"
}

# watch SHARD has the sentinels look after a shard, and waits until they know its replicas.
watch() {
	local i
	((replicas > 0)) || return 0
	for i in 1 2 3; do
		[ -z "$(ask sentinel-$i sentinel get-master-addr-by-name "$1")" ] || continue
		ask sentinel-$i sentinel monitor "$1" "$host" "$(port_of "redis-$1-1")" 2
		ask sentinel-$i sentinel set "$1" down-after-milliseconds "$down_after" failover-timeout "$failover_timeout"
	done >/dev/null
	within 30 watched "$1" || die "the sentinels do not see the replicas of shard $1"
}

watched() {
	local i
	for i in 1 2 3; do
		[ "$(ask sentinel-$i sentinel master "$1" | grep -A1 -x num-slaves | tail -n 1)" = "$replicas" ] || return 1
		[ "$(ask sentinel-$i sentinel master "$1" | grep -A1 -x num-other-sentinels | tail -n 1)" = 2 ] || return 1
	done
}

# primary_of SHARD prints the name of the instance that the sentinels take for the primary.
primary_of() {
	local port name number
	((replicas > 0)) || { echo "redis-$1-1"; return; }
	for i in 1 2 3; do
		port=$(ask "sentinel-$i" sentinel get-master-addr-by-name "$1" 2>/dev/null | tail -n 1)
		[ -z "$port" ] || break
	done
	while read -r name number; do
		[ "$number" != "$port" ] || { echo "$name"; return; }
	done <"$dir/ports"
	die "no sentinel knows a shard $1"
}
