/*
 * The monitor zygote, see monitorzygote.h. Run as root, until the settings change; trusts the
 * listener.
 */

#include "monitor/monitorzygote.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sibling.h"
#include "base/title.h"
#include "boundary/msg.h"
#include "monitor/accounting.h"
#include "monitor/launch.h"
#include "monitor/monitor.h"
#include "monitor/pammodules.h"
#include "role.h"

static struct zygote {
	const struct options	*opts;
	struct signals		 signals;
} zygote;

/*
 * Loads what each login needs: OpenSSL's HMAC, PAM's modules, and those by which the C library
 * finds users (nsswitch.conf(5)).
 */
static void
warm_up(const struct options *o)
{
	gid_t none[1];
	int n = 1;

	accounting_warm_up();
	pammodules_load(o);
	getgrouplist(o->gate_user, 0, none, &n);
}

/* Blocks or unblocks SIGTERM. A new monitor has it blocked until watchdog_start(). */
static void
block_sigterm(bool block)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigprocmask(block ? SIG_BLOCK : SIG_UNBLOCK, &stop, NULL);
}

static void __attribute__((noreturn))
become_monitor(struct msg_spawn_monitor *spawn, const int fds[MSG_FDS_MAX])
{
	static struct peer peer;
	struct monitor_start start = { .opts = zygote.opts, .peer = &peer, .signals = &zygote.signals,
	    .gate_fd = fds[2], .logs = spawn->logs, .deadline = spawn->deadline };

	close(ROLE_CONTROL);
	prctl(PR_SET_NAME, "imapgate");
	peer = spawn->peer;
	peer_set_log_context(&peer);
	title_set(NULL, peer.ip, "monitor");
	if (spawn->tls[0] != '\0') {
		log_context("tls", spawn->tls);
		log_context("cipher", spawn->cipher);
	}
	accounting_init(fds[1], spawn->failure_key, spawn->account_key);
	explicit_bzero(spawn, sizeof(*spawn));
	if (dup2(fds[0], STDIN_FILENO) == -1 || dup2(fds[0], STDOUT_FILENO) == -1)
		die("dup2");
	close(fds[0]);
	if (start.gate_fd != -1)
		monitor_run(&start);
	monitor_preauth(&start);
	accounting_peer_unknown();
	_exit(0);
}

static void
spawn_monitor(struct msg_spawn_monitor *spawn, const int fds[MSG_FDS_MAX])
{
	struct msg answer;
	pid_t pid;

	pammodules_refresh(zygote.opts);
	block_sigterm(true);
	pid = sibling_fork();
	if (pid == 0)
		become_monitor(spawn, fds);
	msg_begin(&answer, MSG_SPAWNED);
	answer.u.spawned.error = errno;
	block_sigterm(false);
	answer.u.spawned.slot = spawn->slot;
	answer.u.spawned.serial = spawn->serial;
	answer.u.spawned.pid = pid;
	if (msg_send(ROLE_CONTROL, &answer) == -1)
		_exit(0);
}

static void __attribute__((noreturn))
monitorzygote_serve(void)
{
	static struct msg m;
	int fds[MSG_FDS_MAX], i;

	while (msg_recv_fds(ROLE_CONTROL, &m, fds) == 1) {
		if (m.type != MSG_SPAWN_MONITOR && m.type != MSG_SPAWN_PEER)
			bug("unexpected message type %u to the monitor zygote", m.type);
		spawn_monitor(&m.u.spawn_monitor, fds);
		msg_wipe(&m);
		for (i = 0; i < MSG_FDS_MAX; i++)
			if (fds[i] != -1)
				close(fds[i]);
	}
	_exit(0);
}

void
monitorzygote_run(const struct options *o)
{
	struct msg m;

	zygote.opts = o;
	signals_save(&zygote.signals, NULL);
	warm_up(o);
	msg_begin(&m, MSG_READY);
	if (msg_send(ROLE_CONTROL, &m) == -1)
		_exit(0);
	monitorzygote_serve();
}
