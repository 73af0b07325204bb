/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of all options. The reader takes names, sections, types, ranges and defaults from here;
 * conf_print() writes from it; the option lists of conntrackd.conf(5) and doc/config.md are
 * generated from it and compared with it by tests/conf/docs.sh. An option that is not here does not
 * exist.
 *
 * Where 0 is in the range of a number with a default, 0 stands for that default, as it always did
 * in 1.4.x. Ranges: 1.4.x stored numbers in a C int unchecked, so what worked there is at most
 * 2147483647; HashLimit alone is unsigned. Where a larger value could only have crashed it the
 * range is smaller.
 */
#include "conf/conf_table.h"

#include <string.h>

#include "conf/conf.h"

#define INT_MAX_31 2147483647u

#define IN		  CONF_IN
#define AT(member)	  offsetof(struct conf, member)
#define AT_LINK(member)	  offsetof(struct channel_link_conf, member)
#define AT_HELPER(member) offsetof(struct conf_helper, member)
#define AT_POLICY(member) offsetof(struct conf_helper_policy, member)

#define BLOCK(n, where, inside) .name = n, .sections = where, .type = CONF_T_BLOCK, .child = inside
#define NUMBER(n, where, from, to, what) \
	.name = n, .sections = where, .type = CONF_T_NUMBER, .min = from, .max = to, .unit = what
#define OPTION(n, where, kind) .name = n, .sections = where, .type = kind
#define ALIAS_OF(n)	       .use = CONF_ALIAS, .instead = n
#define RENAMED_TO(n)	       .use = CONF_RENAMED, .instead = n
#define IGNORED(why)	       .use = CONF_IGNORED, .instead = why

const struct conf_option conf_options[] = {
	/* top level */
	{ BLOCK("Sync", IN(CONF_TOP), CONF_SYNC),
	  .help = "Replicates connection states to another node. Beside Stats it counts, unless "
		  "the daemon is started with -S." },
	{ BLOCK("General", IN(CONF_TOP), CONF_GENERAL),
	  .help = "Settings that do not depend on the mode." },
	{ BLOCK("Stats", IN(CONF_TOP), CONF_STATS),
	  .help = "Collects statistics and logs ended flows. Beside Sync it counts with -S only." },
	{ BLOCK("Helper", IN(CONF_TOP), CONF_HELPER),
	  .help = "Connection tracking helpers in user space, alone or beside Sync or Stats." },
	{ BLOCK("Role", IN(CONF_TOP), CONF_ROLE), .ours = true,
	  .help = "keepalived tells this node its role without a script, and is told whether the "
		  "node may take over. Only beside Sync." },
	{ BLOCK("IgnoreTrafficFor", IN(CONF_TOP), CONF_FILTER_ADDR),
	  RENAMED_TO("Filter { Address Ignore { ... } } in section General") },
	{ BLOCK("IgnoreProtocol", IN(CONF_TOP), CONF_FILTER_PROTO),
	  RENAMED_TO("Filter { Protocol Ignore { ... } } in section General") },
	{ OPTION("StripNAT", IN(CONF_TOP), CONF_T_FLAG), IGNORED("remove the line") },

	/* Sync */
	{ BLOCK("Mode", IN(CONF_SYNC), CONF_JUNK), .header_words = 1,
	  .help = "How states are replicated: FTFW (acknowledged and repaired), ALARM (everything "
		  "again every now and then) or NOTRACK (best effort), in any case. Without it "
		  "FTFW is taken, with a warning. The old names NACK (FTFW) and PERSISTENT (ALARM) "
		  "are accepted with a warning." },
/* clang-format off */
#define ROW(type, keyword, like, ops, about) \
	{ BLOCK(#keyword, IN(CONF_SYNC), CONF_##like), .header_words = 1, .help = about },
	CHANNEL_TYPES(ROW)
#undef ROW
	{ BLOCK("Options", IN(CONF_SYNC), CONF_OPTIONS),
	  .help = "What is replicated, and how it enters the kernel." },
	/* clang-format on */
	{ OPTION("Replicate", IN(CONF_SYNC), CONF_T_STATES),
	  RENAMED_TO("Filter { State Accept { ... } } in section General") },
	{ OPTION("Checksum", IN(CONF_SYNC), CONF_T_OLD_CHECKSUM),
	  RENAMED_TO("Checksum inside the link's block") },
	{ OPTION("CacheWriteThrough", IN(CONF_SYNC), CONF_T_WORD),
	  IGNORED("its successor is DisableExternalCache in the Mode block") },
	{ OPTION("ListenTo", IN(CONF_SYNC), CONF_T_WORD), IGNORED("remove the line") },
	{ OPTION("DestroyTimeout", IN(CONF_SYNC), CONF_T_WORD), IGNORED("remove the line") },
	{ OPTION("RelaxTransitions", IN(CONF_SYNC) | IN(CONF_ALARM), CONF_T_FLAG),
	  IGNORED("remove the line") },
	{ OPTION("DelayDestroyMessages", IN(CONF_SYNC) | IN(CONF_ALARM), CONF_T_FLAG),
	  IGNORED("remove the line") },

	/* Mode blocks; the timers may also stand directly in Sync, where they were long ago */
	{ NUMBER("ResendQueueSize", IN(CONF_FTFW), 0, 1u << 24, "objects"),
	  .at = AT(sync.resend_queue_size), .init = "131072",
	  .help = "Most sent states and control messages remembered until the peer acknowledges "
		  "them. When it is full the oldest is forgotten; if the peer misses just that "
		  "one, it gets a full resync." },
	{ NUMBER("ACKWindowSize", IN(CONF_FTFW), 0, INT_MAX_31, "messages"),
	  .at = AT(sync.ack_window), .init = "300",
	  .help = "An acknowledgement is sent after so many received messages, and after one idle "
		  "second." },
	{ NUMBER("RefreshTime", IN(CONF_ALARM) | IN(CONF_SYNC), 0, INT_MAX_31, "seconds"),
	  .at = AT(sync.refresh_s), .init = "60",
	  .help = "An unchanged state is sent again after a random time of at most so long. Only "
		  "ALARM uses it." },
	{ NUMBER("CacheTimeout", IN(CONF_ALARM) | IN(CONF_SYNC), 0, INT_MAX_31, "seconds"),
	  .at = AT(sync.cache_timeout_s), .init = "180",
	  .help = "Life of a state of the peer without news of it. Only ALARM uses it." },
	{ NUMBER("CommitTimeout", CONF_IN_MODES | IN(CONF_SYNC), 0, INT_MAX_31, "seconds"),
	  .at = AT(sync.commit_timeout_s),
	  .unset = "by the state and how long its owner has been silent",
	  .help = "Timeout of every entry that a commit creates in the kernel. Without effect if "
		  "the external cache is disabled." },
	{ NUMBER("PurgeTimeout", CONF_IN_MODES | IN(CONF_SYNC), 0, INT_MAX_31, "seconds"),
	  .at = AT(sync.purge_timeout_s), .init = "60",
	  .help = "Delay between conntrackd -t and the flush of the kernel table it asks for; 0 "
		  "is 60, as in 1.4.x." },
	{ OPTION("DisableInternalCache", IN(CONF_NOTRACK), CONF_T_BOOL),
	  .at = AT(sync.disable_internal), .init = "off",
	  .help = "Kernel events go straight to the link, without a cache. What a peer asks for is "
		  "read from the kernel table. The end of a flow is told only if the kernel "
		  "reports it." },
	{ OPTION("DisableExternalCache", IN(CONF_FTFW) | IN(CONF_NOTRACK), CONF_T_BOOL),
	  .at = AT(sync.disable_external), .init = "off",
	  .help = "States of the peer go straight into the kernel, without a cache. There is "
		  "nothing to commit then. An entry that this node is forwarding itself is not set "
		  "back, and not removed when the peer's has ended. For pairs in which both nodes "
		  "forward; without TCPWindowTracking, because each may see one direction only." },
	{ OPTION("StartupResync", IN(CONF_FTFW) | IN(CONF_NOTRACK), CONF_T_BOOL),
	  .at = AT(sync.startup_resync), .init = "off",
	  .help = "Asks the peer for its whole table right after the start." },
	{ OPTION("ResendBufferSize", IN(CONF_FTFW), CONF_T_WORD),
	  IGNORED("its successor is ResendQueueSize, which counts objects") },

	/* links */
	{ OPTION("IPv4_address", IN(CONF_MULTICAST), CONF_T_IPV4), .at = AT_LINK(dest),
	  .unset = "none: one of IPv4_address and IPv6_address is needed",
	  .help = "The multicast group." },
	{ OPTION("IPv6_address", IN(CONF_MULTICAST), CONF_T_IPV6), .at = AT_LINK(dest),
	  .unset = "none: one of IPv4_address and IPv6_address is needed",
	  .help = "The multicast group. Interface tells where it is joined." },
	{ OPTION("IPv4_interface", IN(CONF_MULTICAST), CONF_T_IPV4), .at = AT_LINK(local),
	  .unset = "none: needed with an IPv4 group",
	  .help = "The address this node has on the link." },
	{ OPTION("IPv6_interface", IN(CONF_MULTICAST), CONF_T_WORD), IGNORED("Interface says it") },
	{ OPTION("Group", IN(CONF_MULTICAST), CONF_T_PORT), .min = 0, .max = 65535,
	  .at = AT_LINK(port), .unset = "3780, with a warning; likewise for 0",
	  .help = "The UDP port. The name is history." },
	{ OPTION("IPv4_address", IN(CONF_UDP) | IN(CONF_TCP), CONF_T_IPV4), .at = AT_LINK(local),
	  .unset = "any address, with a warning",
	  .help = "The address of this node to receive on." },
	{ OPTION("IPv6_address", IN(CONF_UDP) | IN(CONF_TCP), CONF_T_IPV6), .at = AT_LINK(local),
	  .unset = "any address, with a warning",
	  .help = "The address of this node to receive on." },
	{ OPTION("IPv4_Destination_Address", IN(CONF_UDP) | IN(CONF_TCP), CONF_T_IPV4),
	  .at = AT_LINK(dest),
	  .unset = "this node itself, with a warning; likewise for an address of zeros",
	  .help = "The address of the peer." },
	{ OPTION("IPv6_Destination_Address", IN(CONF_UDP) | IN(CONF_TCP), CONF_T_IPV6),
	  .at = AT_LINK(dest),
	  .unset = "this node itself, with a warning; likewise for an address of zeros",
	  .help = "The address of the peer." },
	{ OPTION("Port", IN(CONF_UDP) | IN(CONF_TCP), CONF_T_PORT), .min = 0, .max = 65535,
	  .at = AT_LINK(port), .unset = "3780, with a warning; likewise for 0",
	  .help = "The port, on both nodes." },
	{ OPTION("Interface", CONF_IN_LINKS, CONF_T_IFNAME), .at = AT_LINK(ifname),
	  .unset = "none: needed",
	  .help = "The interface of the link, at most 15 bytes. Its state decides about the change "
		  "to another link, its MTU about the size of packets; for IPv6 groups and "
		  "link-local addresses it is the scope. On other UDP and TCP links the routes "
		  "decide which interface that is, and this one is where it usually leads." },
	{ NUMBER("SndSocketBuffer", CONF_IN_LINKS, 0, INT_MAX_31, "bytes"),
	  .at = AT_LINK(snd_buffer), .unset = "the system's size",
	  .help = "Send buffer of the link. The kernel doubles it for its own bookkeeping." },
	{ NUMBER("RcvSocketBuffer", CONF_IN_LINKS, 0, INT_MAX_31, "bytes"),
	  .at = AT_LINK(rcv_buffer), .unset = "the system's size",
	  .help = "Receive buffer of the link, likewise." },
	{ OPTION("McastSndSocketBuffer", IN(CONF_MULTICAST), CONF_T_NUMBER),
	  RENAMED_TO("SndSocketBuffer") },
	{ OPTION("McastRcvSocketBuffer", IN(CONF_MULTICAST), CONF_T_NUMBER),
	  RENAMED_TO("RcvSocketBuffer") },
	{ OPTION("Checksum", CONF_IN_LINKS, CONF_T_BOOL), .at = AT_LINK(checksum), .init = "on",
	  .help = "UDP checksums on what is sent over IPv4. IPv6 and TCP always have checksums." },
	{ NUMBER("ErrorQueueLength", IN(CONF_TCP), 0, INT_MAX_31, "packets"),
	  .at = AT(channel.error_queue_len), .init = "128", .shared = true,
	  .help = "How many unsent packets are kept for another try. One number for all links." },
	{ OPTION("Backlog", IN(CONF_MULTICAST), CONF_T_WORD), IGNORED("remove the line") },

	/* Options */
	{ OPTION("TCPWindowTracking", IN(CONF_OPTIONS), CONF_T_BOOL),
	  .at = AT(sync.tcp_window_tracking), .init = "off",
	  .help = "off: TCP flows put into the kernel are marked liberal, so that it does not "
		  "check their sequence numbers. on: it does." },
	{ OPTION("ExpectationSync", IN(CONF_OPTIONS), CONF_T_EXPECT), .child = CONF_EXPECT,
	  .at = AT(sync.expect), .init = "off",
	  .help = "Replicates expectations: on for those of all helpers, or a block with the names "
		  "of helpers. A name is compared without case and also stands for the helpers it "
		  "is the beginning of." },
	{ OPTION("ActiveActive", IN(CONF_OPTIONS), CONF_T_BOOL), .ours = true,
	  .at = AT(sync.active_active), .init = "off",
	  .help = "Both nodes are meant to be active at the same time. off: two that are is "
		  "CRITICAL in \"conntrackd --health\", and a warning in the log. Where it is not "
		  "given, DisableExternalCache on means on. Not known to conntrackd 1.4." },
	{ OPTION("StrictPeers", IN(CONF_OPTIONS), CONF_T_BOOL), .ours = true,
	  .at = AT(channel.strict), .unset = "off",
	  .help = "On UDP and TCP links only the configured peers are heard, and those that "
		  "AcceptPeer names. off: neighbours on the link as well, with a warning that says "
		  "what to write. Not known to conntrackd 1.4." },
	{ OPTION("AcceptPeer", IN(CONF_OPTIONS), CONF_T_PEER), .ours = true, .unset = "none",
	  .help = "An address of a further node that may speak on UDP and TCP links, or a network "
		  "as in 10.0.0.0/8; may be repeated up to 16 times. Not known to conntrackd "
		  "1.4." },

	/* Gate */
	{ BLOCK("Gate", IN(CONF_SYNC), CONF_GATE), .ours = true,
	  .help = "While this node is backup, packets that would need a state which is not in the "
		  "kernel yet are held, and go on in order when it is; a connection that talks is "
		  "committed first. Rules external need rules of yours. Connections in a zone, and "
		  "untracked ones, are not to be queued: each of their packets would wait for "
		  "the Deadline. Not known to conntrackd 1.4." },
	{ OPTION("Rules", IN(CONF_GATE), CONF_T_RULES), .ours = true, .at = AT(gate.rules),
	  .init = "external",
	  .help = "Who queues the packets. external: rules of yours, in the hook prerouting before "
		  "connection tracking, the last ones of their chain, with the queue of QueueNum "
		  "and bypass. native: nftables rules of the daemon's own, which come and go with "
		  "it "
		  "(needs libnftables, and a kernel with the queue of nftables)." },
	{ NUMBER("QueueNum", IN(CONF_GATE), 1, 65535, NULL), .ours = true, .at = AT(gate.queue_num),
	  .init = "3780",
	  .help = "Number of the packet queue. One that another program has is an error." },
	{ NUMBER("QueueLen", IN(CONF_GATE), 64, 1u << 20, "packets"), .ours = true,
	  .at = AT(gate.queue_len), .init = "8192",
	  .help = "Most packets held at a time. What finds no room is dropped. Flows that no node "
		  "knows take at most half of it." },
	{ NUMBER("Deadline", IN(CONF_GATE), 10, 60000, "milliseconds"), .ours = true,
	  .at = AT(gate.deadline_ms), .init = "1000",
	  .help = "For how long a packet is held where no commit comes. After that its flow is "
		  "committed and it goes on; where the kernel refuses the flow it is dropped." },

	{ NUMBER("Wait", IN(CONF_GATE), 1, 1000, "milliseconds"), .ours = true,
	  .at = AT(gate.wait_ms), .unset = "off",
	  .help = "With DisableExternalCache, where both nodes forward and the paths are "
		  "asymmetric: a packet of TCP of whose connection this node has no state, or only "
		  "the SYN, waits so long for the other node to tell it. Then it goes on in any "
		  "case, as does what finds more than QueueLen waiting. Not for rules that put "
		  "packets into a zone, or that leave connections untracked: each packet of "
		  "those would wait." },

	/* General */
	{ NUMBER("HashSize", IN(CONF_GENERAL), 0, 1u << 27, "buckets"), .at = AT(cache.hash_size),
	  .init = "65536",
	  .help = "Buckets of each table when it has more than 16384 flows; a smaller one needs "
		  "fewer. It grows by itself." },
	{ NUMBER("HashLimit", IN(CONF_GENERAL), 0, UINT32_MAX, "entries"),
	  .at = AT(cache.hash_limit), .unset = "the larger of 262144 and nf_conntrack_max",
	  .help = "Most entries per table. Flows that find no place are said in the log and shown "
		  "by \"conntrackd -s cache\"; they are fetched when there is room again. Flows "
		  "that have ended and whose end the other node has not acknowledged may exceed it "
		  "by a sixteenth and 1024." },
	{ OPTION("LogFile", IN(CONF_GENERAL), CONF_T_LOGFILE), .max = LOG_CONF_PATH_MAX,
	  .at = AT(log), .init = "off", .on_path = "/var/log/conntrackd.log",
	  .help = "Messages of the daemon to a file, at most 256 bytes long; on is "
		  "/var/log/conntrackd.log." },
	{ OPTION("Syslog", IN(CONF_GENERAL), CONF_T_FACILITY), .at = AT(log), .init = "off",
	  .help = "Messages of the daemon to syslog; on is the facility daemon." },
	{ OPTION("LogLevel", IN(CONF_GENERAL), CONF_T_LEVEL), .ours = true, .at = AT(log.level),
	  .init = "info",
	  .help = "Lines of a lower level are not written: info, notice, warning or error. Changed "
		  "at runtime by \"conntrackd --log-level\", until the next start. Not known to "
		  "conntrackd 1.4." },
	{ OPTION("LockFile", IN(CONF_GENERAL), CONF_T_PATH), .max = LOG_CONF_PATH_MAX,
	  .at = AT(lockfile), .init = "/var/lock/conntrackd.lock",
	  .help = "Keeps a second daemon from starting. At most 256 bytes." },
	{ BLOCK("UNIX", IN(CONF_GENERAL), CONF_UNIX),
	  .help = "The socket over which client commands reach the daemon." },
	{ OPTION("Path", IN(CONF_UNIX), CONF_T_PATH), .max = CONTROL_PATH_MAX,
	  .at = AT(control.path), .init = CONTROL_PATH_DEFAULT,
	  .help = "Where the control socket is, at most 107 bytes." },
	{ OPTION("Group", IN(CONF_UNIX), CONF_T_NAME), .ours = true, .max = CONTROL_GROUP_MAX,
	  .at = AT(control.group),
	  .unset = "none: the socket is for root and the user of the daemon",
	  .help = "A group whose members may connect as well (mode 0660) and ask: -s, -i, -e, "
		  "--status, "
		  "--monitor, --health, --ready, --live. What "
		  "changes something is for "
		  "root and the user of the daemon. They are served at most 32 at a time, so that "
		  "root's commands always find a place. A name of at most 32 bytes, or a number; "
		  "one "
		  "that this machine does not have "
		  "gets a warning at the start, and nobody in. Not known to conntrackd 1.4." },
	{ OPTION("Backlog", IN(CONF_UNIX), CONF_T_WORD), IGNORED("remove the line") },
	{ NUMBER("NetlinkBufferSize", IN(CONF_GENERAL), 0, INT_MAX_31, "bytes"),
	  .at = AT(kernel.netlink_buffer), .unset = "a size that survives large bursts",
	  .help = "Receive buffer for kernel events, as the kernel counts it: about 1280 bytes per "
		  "event. It is a limit, no memory set aside: what it costs is what waits to be "
		  "read. Without it there is room for a million of them, or for what a quarter of "
		  "the memory holds." },
	{ NUMBER("NetlinkBufferSizeMaxGrowth", IN(CONF_GENERAL), 0, INT_MAX_31, "bytes"),
	  .at = AT(kernel.netlink_buffer_max),
	  .unset = "NetlinkBufferSize if that is set, else chosen by the daemon",
	  .help = "How far that buffer may grow by itself." },
	{ OPTION("SocketBufferSize", IN(CONF_GENERAL), CONF_T_NUMBER),
	  ALIAS_OF("NetlinkBufferSize") },
	{ OPTION("SocketBufferSizeMaxGrowth", IN(CONF_GENERAL), CONF_T_NUMBER),
	  ALIAS_OF("NetlinkBufferSizeMaxGrowth") },
	{ OPTION("SocketBufferSizeMaxGrown", IN(CONF_GENERAL), CONF_T_NUMBER),
	  ALIAS_OF("NetlinkBufferSizeMaxGrowth") },
	{ OPTION("NetlinkOverrunResync", IN(CONF_GENERAL), CONF_T_SECONDS_OR_BOOL), .min = 0,
	  .max = INT_MAX_31, .unit = "seconds", .at = AT(kernel.overrun_resync_s), .init = "30",
	  .help = "After lost kernel events the kernel table is compared with the cache, at the "
		  "latest so much later. on is the default, off: never." },
	{ OPTION("NetlinkEventsReliable", IN(CONF_GENERAL), CONF_T_BOOL),
	  .at = AT(kernel.events_reliable), .init = "off",
	  .help = "The kernel delivers every event and drops packets when it cannot: no state is "
		  "lost, at the price of packets while the daemon cannot keep up." },
	{ OPTION("NetlinkEventsSysctl", IN(CONF_GENERAL), CONF_T_BOOL), .ours = true,
	  .at = AT(kernel.events_sysctl), .init = "on",
	  .help = "Sets net.netfilter.nf_conntrack_events to 1 at the start if it is 2 "
		  "(automatic): a flow born while nobody listens would never report its end. Not "
		  "known to conntrackd 1.4." },
	{ NUMBER("EventIterationLimit", IN(CONF_GENERAL), 0, INT_MAX_31, "events"),
	  .at = AT(kernel.event_iteration_limit), .init = "100",
	  .help = "Most kernel events handled before other work gets its turn." },
	{ NUMBER("PollSecs", IN(CONF_GENERAL), 1, INT_MAX_31, "seconds"), .at = AT(kernel.poll_s),
	  .unset = "off",
	  .help = "Reads the kernel table every so often instead of listening to events. New, "
		  "changed and ended flows are found by comparison, so changes in between are not "
		  "seen. Options about events and their socket have no effect then." },
	{ BLOCK("Scheduler", IN(CONF_GENERAL), CONF_SCHEDULER),
	  .help = "Runs the daemon under a real-time policy. Without it the normal policy of the "
		  "system applies (1.4.x took RR 99 then)." },
	{ OPTION("Type", IN(CONF_SCHEDULER), CONF_T_SCHED), .at = AT(sched.type),
	  .unset = "RR if Priority is given", .help = "RR or FIFO, in any case." },
	{ NUMBER("Priority", IN(CONF_SCHEDULER), 0, 99, NULL), .at = AT(sched.priority),
	  .unset = "99 if Type is given",
	  .help = "Higher is more urgent. 0 is no real-time priority: the ordinary policy is used, "
		  "as without the block." },
	{ OPTION("Systemd", IN(CONF_GENERAL), CONF_T_BOOL), .at = AT(systemd), .init = "on",
	  .help = "Tells the service manager about readiness, the number of flows, signs of life "
		  "(watchdog) and the end. Without effect where there is none." },
	{ OPTION("Nice", IN(CONF_GENERAL), CONF_T_WORD),
	  IGNORED("use nice(1) or the Scheduler block") },
	{ OPTION("Family", IN(CONF_GENERAL), CONF_T_WORD),
	  IGNORED("IPv4 and IPv6 are always handled") },

	/* Filter */
	{ BLOCK("Filter", IN(CONF_GENERAL), CONF_FILTER), .header_words = 2,
	  .help = "Which flows are looked at. From Userspace (the default): the daemon filters; "
		  "From Kernelspace: the kernel filters events before they reach it, with the same "
		  "meaning. A list that is too long for the kernel is left to the daemon. A flow "
		  "has to pass every set that is given. An event that ends a flow of the cache is "
		  "never filtered." },
	{ BLOCK("Protocol", IN(CONF_FILTER), CONF_FILTER_PROTO), .header_words = 1,
	  .help = "Accept: only the listed protocols pass; Ignore: they do not pass. Entries are "
		  "names as in /etc/protocols, in any case, or numbers from 0 to 255." },
	{ BLOCK("Address", IN(CONF_FILTER), CONF_FILTER_ADDR), .header_words = 1,
	  .help = "Accept or Ignore flows whose original source or reply source is in a listed "
		  "network." },
	{ BLOCK("State", IN(CONF_FILTER), CONF_FILTER_STATE), .header_words = 1,
	  .help = "Accept or Ignore TCP flows in the listed states, written \"STATE ... for TCP\": "
		  "SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, "
		  "CLOSED (or CLOSE), LISTEN." },
	{ OPTION("IPv4_address", IN(CONF_FILTER_ADDR), CONF_T_NET4), .unset = "none",
	  .help = "An address, or a network as in 10.0.0.0/8." },
	{ OPTION("IPv6_address", IN(CONF_FILTER_ADDR), CONF_T_NET6), .unset = "none",
	  .help = "An address, or a network as in 2001:db8::/32." },

	/* Stats */
	{ OPTION("LogFile", IN(CONF_STATS), CONF_T_LOGFILE), .max = LOG_CONF_PATH_MAX,
	  .at = AT(stats.log), .init = "off", .on_path = "/var/log/conntrackd-stats.log",
	  .help = "One line per ended flow to a file; on is /var/log/conntrackd-stats.log." },
	{ OPTION("Syslog", IN(CONF_STATS), CONF_T_FACILITY), .at = AT(stats.log), .init = "off",
	  .help = "One record per ended flow to syslog, with priority info; on is the facility "
		  "daemon." },
	{ OPTION("LogFileBufferSize", IN(CONF_STATS), CONF_T_WORD), IGNORED("remove the line") },

	/* Helper */
	{ OPTION("Setup", IN(CONF_HELPER), CONF_T_BOOL), .at = AT(helper.setup), .init = "off",
	  .help = "on: the daemon creates the helpers in the kernel where they are missing. off: "
		  "they "
		  "are there already." },
	{ BLOCK("Type", IN(CONF_HELPER), CONF_HELPER_TYPE), .header_words = 3,
	  .help = "One helper: its name, inet or inet6, tcp or udp." },
	{ NUMBER("QueueNum", IN(CONF_HELPER_TYPE), 0, 65535, NULL), .at = AT_HELPER(queue_num),
	  .init = "0", .help = "Number of the packet queue; every helper needs its own." },
	{ NUMBER("QueueLen", IN(CONF_HELPER_TYPE), 0, INT_MAX_31, "packets"),
	  .at = AT_HELPER(queue_len), .unset = "the kernel's length, 1024",
	  .help = "Length of the queue. What finds no room is dropped." },
	{ BLOCK("Policy", IN(CONF_HELPER_TYPE), CONF_HELPER_POLICY), .header_words = 1,
	  .help = "Changes a policy of the helper; its name is the helper's." },
	{ NUMBER("ExpectMax", IN(CONF_HELPER_POLICY), 0, INT_MAX_31, "expectations"),
	  .at = AT_POLICY(expect_max), .unset = "the helper's own",
	  .help = "Most expectations per connection that wait at a time, at most 255; another one "
		  "takes the place of the oldest." },
	{ NUMBER("ExpectTimeout", IN(CONF_HELPER_POLICY), 0, INT_MAX_31, "seconds"),
	  .at = AT_POLICY(expect_timeout_s), .unset = "the helper's own",
	  .help = "Life of an expectation." },

	/* Role */
	{ OPTION("Fifo", IN(CONF_ROLE), CONF_T_PATH), .at = AT(role.fifo), .max = ROLE_PATH_MAX,
	  .ours = true, .unset = "none",
	  .help = "The FIFO that keepalived's vrrp_notify_fifo or notify_fifo names. The daemon "
		  "makes it and reads it." },
	{ OPTION("Instance", IN(CONF_ROLE), CONF_T_NAMES), .at = AT(role.instances),
	  .max = ROLE_NAME_MAX, .ours = true, .unset = "with no Group either, all decide",
	  .help = "A VRRP instance whose state decides the role. May be repeated." },
	{ OPTION("Group", IN(CONF_ROLE), CONF_T_NAMES), .at = AT(role.groups), .max = ROLE_NAME_MAX,
	  .ours = true, .unset = "with no Instance either, all decide",
	  .help = "A VRRP sync group whose state decides the role. May be repeated." },
	{ OPTION("TrackFile", IN(CONF_ROLE), CONF_T_PATH), .at = AT(role.track_file),
	  .max = ROLE_PATH_MAX, .ours = true, .unset = "none",
	  .help = "A file for keepalived's track_file: 0 where this node is ready to take over, 1 "
		  "where it is not, as --ready says. A primary always has 0." },
	{ NUMBER("ListenTime", IN(CONF_ROLE), 1, 3600, "seconds"), .at = AT(role.listen_s),
	  .ours = true, .init = "10",
	  .help = "A node that has heard no peer for so long after its start is ready: nobody "
		  "else could take over." },
};

const size_t conf_n_options = sizeof(conf_options) / sizeof(conf_options[0]);

const char *conf_section_title(enum conf_section section)
{
	static const char *const title[CONF_SECTIONS] = {
		[CONF_TOP] = "the top level of the file",
		[CONF_SYNC] = "section Sync",
		[CONF_FTFW] = "Mode FTFW",
		[CONF_ALARM] = "Mode ALARM",
		[CONF_NOTRACK] = "Mode NOTRACK",
		[CONF_MULTICAST] = "block Multicast",
		[CONF_UDP] = "block UDP",
		[CONF_TCP] = "block TCP",
		[CONF_OPTIONS] = "block Options",
		[CONF_GATE] = "block Gate",
		[CONF_EXPECT] = "block ExpectationSync",
		[CONF_GENERAL] = "section General",
		[CONF_UNIX] = "block UNIX",
		[CONF_SCHEDULER] = "block Scheduler",
		[CONF_FILTER] = "block Filter",
		[CONF_FILTER_PROTO] = "the list of protocols",
		[CONF_FILTER_ADDR] = "the list of addresses",
		[CONF_FILTER_STATE] = "the list of states",
		[CONF_STATS] = "section Stats",
		[CONF_HELPER] = "section Helper",
		[CONF_HELPER_TYPE] = "block Type of section Helper",
		[CONF_HELPER_POLICY] = "block Policy",
		[CONF_ROLE] = "section Role",
		[CONF_JUNK] = "a block that is not understood",
	};

	return title[section];
}

bool conf_section_is_list(enum conf_section section)
{
	return section == CONF_EXPECT || section == CONF_FILTER_PROTO ||
	       section == CONF_FILTER_STATE;
}

const struct conf_option *conf_option_find(enum conf_section section, const char *name)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		if (conf_options[i].sections & CONF_IN(section) &&
		    !strcmp(conf_options[i].name, name))
			return &conf_options[i];
	}
	return NULL;
}

const struct conf_option *conf_option_canonical(enum conf_section section,
						const struct conf_option *opt)
{
	const struct conf_option *real = NULL;

	if (opt->use == CONF_ALIAS || opt->use == CONF_RENAMED)
		real = conf_option_find(section, opt->instead);
	return real ? real : opt;
}

enum conf_scope conf_option_scope(const struct conf_option *opt)
{
	if (opt->sections & CONF_IN_LINKS && !opt->shared)
		return CONF_SCOPE_LINK;
	if (opt->sections & CONF_IN(CONF_HELPER_TYPE))
		return CONF_SCOPE_HELPER;
	if (opt->sections & CONF_IN(CONF_HELPER_POLICY))
		return CONF_SCOPE_POLICY;
	return CONF_SCOPE_FILE;
}

const char *conf_type_name(enum conf_type type)
{
	static const char *const name[CONF_TYPES] = {
		[CONF_T_BLOCK] = "block",
		[CONF_T_NUMBER] = "number",
		[CONF_T_PORT] = "port",
		[CONF_T_BOOL] = "on|off",
		[CONF_T_PATH] = "path",
		[CONF_T_LOGFILE] = "on|off|path",
		[CONF_T_FACILITY] = "on|off|facility",
		[CONF_T_SECONDS_OR_BOOL] = "on|off|number",
		[CONF_T_IPV4] = "IPv4 address",
		[CONF_T_IPV6] = "IPv6 address",
		[CONF_T_NET4] = "IPv4 network",
		[CONF_T_NET6] = "IPv6 network",
		[CONF_T_PEER] = "address or network",
		[CONF_T_IFNAME] = "interface",
		[CONF_T_NAME] = "name",
		[CONF_T_NAMES] = "name",
		[CONF_T_SCHED] = "RR|FIFO",
		[CONF_T_LEVEL] = "info|notice|warning|error",
		[CONF_T_RULES] = "native|external",
		[CONF_T_EXPECT] = "on|off|block",
		[CONF_T_STATES] = "states",
		[CONF_T_OLD_CHECKSUM] = "on|off",
		[CONF_T_FLAG] = "nothing",
		[CONF_T_WORD] = "word",
	};

	return name[type];
}
