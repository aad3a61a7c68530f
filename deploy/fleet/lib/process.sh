# shellcheck shell=bash
# The processes of a fleet. Each is known by its number and by the moment it was started, which together
# no other process ever has: a number that was given to somebody else is never signalled.

# identity PID prints what tells the process from any other that had or will have its number. It fails
# if there is none, or only one that has ended and was not collected yet.
identity() {
	local stat fields
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	read -ra fields <<<"${stat##*) }" # its name may hold anything
	[[ ${fields[0]} != [ZX] ]] || return 1
	echo "$(</proc/sys/kernel/random/boot_id)/${fields[19]}"
}

# pid_of NAME prints the number of the process, and fails if it does not run.
pid_of() {
	local pid id
	{ read -r pid id <"$dir/run/$1"; } 2>/dev/null || return 1
	[ "$(identity "$pid")" = "$id" ] || return 1
	echo "$pid"
}

# state_of NAME prints up, paused or down.
state_of() {
	local pid stat
	if ! pid=$(pid_of "$1") || ! { read -r stat <"/proc/$pid/stat"; } 2>/dev/null; then
		echo down
	elif [[ ${stat##*) } == T* ]]; then
		echo paused
	else
		echo up
	fi
}

# family PID prints the process and its children, which PostgreSQL has.
family() {
	local stat fields all=("$1")
	for stat in /proc/[0-9]*/stat; do
		{ read -r stat <"$stat"; } 2>/dev/null || continue
		read -ra fields <<<"${stat##*) }"
		[ "${fields[1]}" != "$1" ] || all+=("${stat%% *}")
	done
	echo "${all[@]}"
}

# launch NAME COMMAND… runs a command apart from the terminal. What it prints is added to its log. Descriptor
# 9, the lock on the fleet, is not left to it.
launch() {
	local name=$1 pid id
	shift
	setsid "$@" >>"$dir/log/$name.log" 2>&1 </dev/null 9>&- &
	pid=$!
	id=$(identity "$pid") || die "$name ended at once: see $dir/log/$name.log"
	echo "$pid $id" >"$dir/run/$name"
}

# signal NAME SIGNAL sends to the process and its children.
signal() {
	local pid family
	pid=$(pid_of "$1") || return 1
	read -ra family < <(family "$pid")
	kill "-$2" "${family[@]}" 2>/dev/null || true
}

# halt NAME ends the process as it wants to be ended, and by force after 30 seconds.
halt() {
	local pid
	pid=$(pid_of "$1") || return 0
	signal "$1" CONT
	case $1 in
	postgres) kill -INT "$pid" ;; # without waiting for its clients
	*) kill -TERM "$pid" ;;
	esac 2>/dev/null || true
	within 30 gone "$1" || signal "$1" KILL || true
	within 10 gone "$1" || die "$1 (process $pid) cannot be ended"
	rm -f "$dir/run/$1"
}

gone() { ! pid_of "$1" >/dev/null; }

# within SECONDS COMMAND… runs the command until it succeeds, and fails if that takes longer.
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS <= end)) || return 1
		sleep 0.05
	done
}
