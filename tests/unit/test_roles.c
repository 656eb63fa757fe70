/*
 * The listener and its zygotes and signer, the latter played here: what is
 * lost where their ends, answers and silences coincide, and what comes of one
 * that has been taken over. The listener's files are the real ones, but for
 * the start of a role, the clock, and a dry run's program (Makefile).
 */

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "listener/connections.h"
#include "listener/events.h"
#include "listener/generations.h"
#include "listener/lifecycle.h"
#include "listener/process.h"
#include "listener/reload.h"
#include "listener/roles.h"
#include "listener/serve.h"
#include "role.h"

/* The linker's names for what is replaced, and for what replaces it. */
int	__real_clock_gettime(clockid_t, struct timespec *);
int	__wrap_clock_gettime(clockid_t, struct timespec *);
int	__wrap_execve(const char *, char *const[], char *const[]);
pid_t	__wrap_role_start(enum role, int control, int signing, const struct signals *);

/* A test is a process of its own, which ends where something is wrong. */
#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
		_exit(1); \
	} \
} while (0)

/* The longest that a test may take. */
#define TEST_S	20

static int64_t ahead_ms;	/* of the real clock */

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int result = __real_clock_gettime(id, ts);

	ts->tv_sec += ahead_ms / 1000;
	ts->tv_nsec += ahead_ms % 1000 * 1000000;
	return result;
}

/* --- processes that are played */

/* A dry run that hangs, and can't be ended by SIGALRM. */
int
__wrap_execve(const char *path, char *const argv[], char *const envp[])
{
	sigset_t alarms;

	(void)path;
	(void)argv;
	(void)envp;
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarms, NULL);
	descriptors_close_from(0);
	sleep(TEST_S);
	_exit(0);
}

/* Returns its pid. It has nothing open any more. */
static pid_t
start_dry_run(void)
{
	static const struct activation_socket listening = { .fd = 0, .standard = 1 };
	static char name[] = "imapgate", *arguments[] = { name, NULL };
	int ready[2];
	pid_t pid = 1;

	CHECK(pipe(ready) == 0);
	reload_begin(arguments, &listening, 1);
	CHECK(reload_start_dry_run());
	close(ready[1]);
	CHECK(read(ready[0], ready, 1) == 0);
	close(ready[0]);
	while (!reload_has_pid(pid))
		pid++;
	return pid;
}

/* A child of the listener that does nothing, has nothing open, and ends with the test. */
static pid_t
fork_idle(void)
{
	int ready[2];
	pid_t pid;

	CHECK(pipe(ready) == 0);
	pid = fork();
	CHECK(pid != -1);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		descriptors_close_from(0);
		for (;;)
			pause();
	}
	close(ready[1]);
	CHECK(read(ready[0], &pid, 1) == 0);
	close(ready[0]);
	return pid;
}

static bool
runs(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

/* A kill(2) takes effect in its own time: that there was none only time shows. */
static bool
stays(pid_t pid)
{
	poll(NULL, 0, 50);
	return runs(pid);
}

static bool
ends(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0;
}

#define STARTED_MAX	512

static struct started {
	enum role	role;
	pid_t		pid;
	int		fd;	/* its end of the listener's pair */
} started[STARTED_MAX];
static unsigned starts;

/* The first words of a role. */
static enum { SAYS_READY, SAYS_FAILED, SAYS_NOTHING } at_start;
/* The start of a role fails. */
static bool none_starts;

static void
say_ready(int fd, bool failed)
{
	static struct msg m;

	msg_begin(&m, MSG_READY);
	m.u.ready.failed = failed;
	m.u.ready.usable = 1;
	CHECK(msg_send(fd, &m) == 0);
}

pid_t
__wrap_role_start(enum role role, int control, int signing, const struct signals *signals)
{
	struct started *s = &started[starts++];

	(void)signing;
	(void)signals;
	CHECK(starts < STARTED_MAX);
	*s = (struct started){ role, -1, -1 };
	errno = EAGAIN;
	if (none_starts)
		return -1;
	*s = (struct started){ role, fork_idle(), fcntl(control, F_DUPFD_CLOEXEC, 3) };
	if (at_start != SAYS_NOTHING)
		say_ready(s->fd, at_start == SAYS_FAILED && role == ROLE_GATE_ZYGOTE);
	return s->pid;
}

static unsigned
count_of(enum role role)
{
	unsigned i, n = 0;

	for (i = 0; i < starts; i++)
		n += started[i].role == role;
	return n;
}

static struct started *
newest(enum role role)
{
	unsigned i;

	for (i = starts; i-- > 0;)
		if (started[i].role == role)
			return &started[i];
	CHECK(false);
	return NULL;
}

/* --- the listener */

static struct options opts;
static unsigned shortages;
static char shortage_reason[64];

static void
on_shortage(const char *what, const char *reason)
{
	(void)what;
	shortages++;
	snprintf(shortage_reason, sizeof(shortage_reason), "%s", reason);
}

static void
begin_with(const char *kept)
{
	static const struct roles_callbacks callbacks = { serve_spawned, serve_zygote_ended, serve_log_message,
		on_shortage };
	static const struct options *both[2] = { &opts, &opts };
	static struct signals signals;

	opts = (struct options){ .n_cert = 1,
		.cert[0] = "/nonexistent/cert",
		.key[0] = "/nonexistent/key",
		.timeout_ms = 60000,
		.max_connections = 100,
		.max_connections_per_address = 100,
		.max_sessions = 100,
		.max_sessions_per_address = 100,
		.max_sessions_per_user = 100 };
	lifecycle_init(both, on_shortage);
	roles_begin(&opts, &signals, &callbacks, kept);
}

static void
begin(void)
{
	alarm(TEST_S);
	setpgid(0, 0);
	events_begin();
	connections_open(-1);
	begin_with(NULL);
}

/* As the listener does it (reap_children). */
static void
reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!roles_ended(pid, status))
			serve_ended(pid, status);
}

/* The listener hears all that has been said. */
static void
hear(void)
{
	struct event events[EVENTS_MAX];
	int i, n, turns;

	for (turns = 0; turns < 100 && (n = events_wait(events, 0)) > 0; turns++)
		for (i = 0; i < n; i++)
			if (events[i].kind == EVENT_ROLE)
				roles_receive(events[i].index);
			else if (events[i].kind == EVENT_LOGIN)
				serve_login(events[i].index);
			else
				serve_account(events[i].index);
	CHECK(turns < 100);
}

/* Time goes by, and the listener does what is due. */
static void
pass(int64_t ms)
{
	int64_t until = clock_ms() + ms;

	while (roles_due() != 0 && roles_due() <= until) {
		if (roles_due() > clock_ms())
			ahead_ms += roles_due() - clock_ms();
		roles_tick();
		hear();
		reap();
	}
	if (clock_ms() < until)
		ahead_ms += until - clock_ms();
}

/* A client's connection, whose gate has been asked for. The client's side goes to *client. */
static struct connection *
come(int *client)
{
	const struct sockaddr_storage from = { .ss_family = AF_UNIX };
	struct connection *c;
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	*client = pair[0];
	CHECK(connections_reserve(&opts, NETWORK_LOCAL, &c) == LIMIT_NONE);
	serve_accepted(c, false, pair[1], &from);
	return c;
}

/* Takes a zygote's question. Returns the gate's or monitor's end of the pair. */
static int
hear_question(int fd, uint32_t type, uint32_t slot)
{
	static struct msg m;
	int fds[MSG_FDS_MAX];

	CHECK(msg_recv_fds(fd, &m, fds) == 1);
	CHECK(m.type == type);
	CHECK((type == MSG_SPAWN_GATE ? m.u.spawn_gate.slot : m.u.spawn_monitor.slot) == slot);
	close(fds[0]);
	if (fds[2] != -1)
		close(fds[2]);
	return fds[1];
}

static void
say_spawned(int fd, uint32_t slot, uint32_t serial, pid_t pid)
{
	static struct msg m;

	msg_begin(&m, MSG_SPAWNED);
	m.u.spawned.slot = slot;
	m.u.spawned.serial = serial;
	m.u.spawned.pid = pid;
	m.u.spawned.error = ENOMEM;
	CHECK(msg_send(fd, &m) == 0);
}

/* A connection that has its gate: our end of the gate's pair. */
static int
serve(struct connection *c, pid_t pid)
{
	int zygote = newest(ROLE_GATE_ZYGOTE)->fd, pair = hear_question(zygote, MSG_SPAWN_GATE, c->slot);

	say_spawned(zygote, c->slot, c->serial, pid);
	hear();
	CHECK(c->gate.state == CHILD_RUNNING && c->gate.pid == pid);
	return pair;
}

/* The gate asks for a login, and so the monitor zygote for a monitor. */
static void
ask_login(int gate)
{
	static struct msg m;

	msg_begin(&m, MSG_LOGIN);
	CHECK(msg_send(gate, &m) == 0);
	hear();
}

static bool
is_gone(uint32_t slot, uint32_t serial)
{
	return connections_find(slot, serial) == NULL;
}

static bool
is_told(int client)
{
	char text[256] = "";

	return recv(client, text, sizeof(text) - 1, MSG_DONTWAIT) > 0 && strncmp(text, "* BYE ", 6) == 0;
}

/* --- ends that coincide */

/* A role closes its pair, and hangs: no SIGCHLD comes that would have it started anew. */
static void
closed_pair(void *arg)
{
	enum role role = *(enum role *)arg;
	unsigned before;

	begin();
	before = count_of(role);
	close(newest(role)->fd);
	hear();
	pass(1000);
	CHECK(count_of(role) == before + 1);
	CHECK(roles_are_ready());
}

static void
end_with_unread_answers(void *arg)
{
	struct connection *c;
	uint32_t slot, serial;
	int client, status;
	pid_t pid;

	(void)arg;
	begin();
	c = come(&client);
	slot = c->slot;
	serial = c->serial;
	pid = newest(ROLE_GATE_ZYGOTE)->pid;
	kill(pid, SIGKILL);
	close(newest(ROLE_GATE_ZYGOTE)->fd);
	/* SIGCHLD first: signals are looked at before all other events. */
	CHECK(waitpid(pid, &status, 0) == pid && roles_pending() == 1);
	CHECK(roles_ended(pid, status));
	CHECK(is_gone(slot, serial) && is_told(client));
	CHECK(shortages > 0 && !roles_are_ready());
	pass(1000);
	CHECK(roles_are_ready() && count_of(ROLE_GATE_ZYGOTE) == 2);
}

/* The last answer puts the next generation in place, and then it is the old zygote that has ended. */
static void
end_behind_a_renewal(void *arg)
{
	struct connection *c;
	int client, status;
	pid_t old;

	(void)arg;
	begin();
	c = come(&client);
	old = newest(ROLE_GATE_ZYGOTE)->pid;
	say_spawned(newest(ROLE_GATE_ZYGOTE)->fd, c->slot, c->serial, fork_idle());
	kill(newest(ROLE_SIGNER)->pid, SIGKILL);
	close(newest(ROLE_SIGNER)->fd);
	CHECK(ends(newest(ROLE_SIGNER)->pid));
	CHECK(waitpid(started[0].pid, &status, 0) > 0 && roles_ended(started[0].pid, status));
	ahead_ms += 1000;
	roles_tick();
	CHECK(count_of(ROLE_GATE_ZYGOTE) == 2 && count_of(ROLE_SIGNER) == 2);
	/* The next ones are ready, and wait for the answer that is on its way. */
	roles_receive(2);
	roles_receive(3);
	shortages = 0;
	kill(old, SIGKILL);
	close(started[1].fd);
	CHECK(waitpid(old, &status, 0) == old);
	roles_ended(old, status);
	CHECK(c->gate.state == CHILD_RUNNING);
	CHECK(roles_are_ready() && shortages == 0);
	pass(1000);
	CHECK(roles_are_ready() && count_of(ROLE_SIGNER) == 2);
}

/* A new zygote is ready and in place, and has ended at once. */
static void
end_of_the_next(void *arg)
{
	struct started *gates;
	int status;

	(void)arg;
	begin();
	close(newest(ROLE_SIGNER)->fd);
	hear();
	ahead_ms += 1000;
	roles_tick();
	CHECK(count_of(ROLE_GATE_ZYGOTE) == 2);
	gates = newest(ROLE_GATE_ZYGOTE);
	roles_receive(3);
	shortages = 0;
	kill(gates->pid, SIGKILL);
	close(gates->fd);
	CHECK(waitpid(gates->pid, &status, 0) == gates->pid);
	CHECK(roles_ended(gates->pid, status));
	CHECK(shortages == 1 && !roles_are_ready());
	pass(1000);
	CHECK(roles_are_ready() && count_of(ROLE_GATE_ZYGOTE) == 3);
}

/* The end of an older generation's monitor zygote is nothing to those who wait for the one of now, and the other way round. */
static void
end_of_another_generation(void *arg)
{
	struct connection *c[2];
	int client[2], gate[2], pair[2], i, older = *(int *)arg;
	char kept[64];

	alarm(TEST_S);
	setpgid(0, 0);
	events_begin();
	connections_open(-1);
	CHECK(msg_pair(pair) == 0);
	snprintf(kept, sizeof(kept), " 0 %d %d 1", pair[0], (int)fork_idle());
	begin_with(kept);
	for (i = 0; i < 2; i++) {
		c[i] = come(&client[i]);
		gate[i] = serve(c[i], fork_idle());
	}
	roles_release(c[0]->generation);
	c[0]->generation = 0;
	for (i = 0; i < 2; i++)
		ask_login(gate[i]);
	CHECK(c[0]->monitor.state == CHILD_STARTING && c[1]->monitor.state == CHILD_STARTING);
	close(older ? pair[1] : newest(ROLE_MONITOR_ZYGOTE)->fd);
	hear();
	CHECK((c[0]->monitor.state == CHILD_STARTING) == !older);
	CHECK((c[1]->monitor.state == CHILD_STARTING) == older);
}

/* A connection whose generation has gone with the image before: its login is the matter of the zygote of now, and so is the end of that. */
static void
end_of_the_generation_that_took_over(void *arg)
{
	struct connection *c;
	char kept[512];
	int client, gate;

	(void)arg;
	begin();
	c = come(&client);
	gate = serve(c, fork_idle());
	close(newest(ROLE_MONITOR_ZYGOTE)->fd);
	hear();
	roles_keep_on_exec(kept, sizeof(kept), false);
	CHECK(kept[0] == '\0');
	/* The next image. */
	memset(generations, 0, sizeof(generations));
	events_begin();
	begin_with(kept);
	serve_resume();
	roles_keep_on_exec(kept, sizeof(kept), false);
	CHECK(kept[0] != '\0');
	ask_login(gate);
	CHECK(c->monitor.state == CHILD_STARTING);
	close(newest(ROLE_MONITOR_ZYGOTE)->fd);
	hear();
	CHECK(c->monitor.state == CHILD_NONE && c->end_logged);
}

/* --- children that are none of ours */

/* Mailbox programs can give children to the listener (clone(2), CLONE_PARENT): more than there is room for early ends, while an answer is on the way. */
static void
children_of_others(void *arg)
{
	struct connection *c;
	uint32_t slot, serial;
	int client, status, i;
	pid_t pid;

	(void)arg;
	begin();
	c = come(&client);
	slot = c->slot;
	serial = c->serial;
	for (i = 0; i < 5000; i++)
		serve_ended(1000000 + i, 0);
	pid = fork_idle();
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid);
	serve_ended(pid, status);
	/* By now another process might have the number. */
	say_spawned(newest(ROLE_GATE_ZYGOTE)->fd, slot, serial, pid);
	hear();
	CHECK(is_gone(slot, serial));
}

/* An early end is found all the same, and is that of its connection. */
static void
early_end(void *arg)
{
	struct connection *c;
	uint32_t slot, serial;
	int client, status;
	pid_t pid;

	(void)arg;
	begin();
	c = come(&client);
	slot = c->slot;
	serial = c->serial;
	pid = fork_idle();
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid && serve_ended(pid, status));
	say_spawned(newest(ROLE_GATE_ZYGOTE)->fd, slot, serial, pid);
	hear();
	CHECK(is_gone(slot, serial));
}

/* --- what fails */

/* No errno of any system call says why, and so none says that it did not work. */
static void
spawn_without_errno(void *arg)
{
	struct connection *c;
	uint32_t slot, serial;
	int client;

	(void)arg;
	begin();
	close(newest(ROLE_GATE_ZYGOTE)->fd);
	hear();
	CHECK(connections_reserve(&opts, NETWORK_LOCAL, &c) == LIMIT_NONE);
	connections_release(c);
	errno = 0;
	c = come(&client);
	slot = c->slot;
	serial = c->serial;
	CHECK(is_gone(slot, serial) && is_told(client));
	CHECK(strcmp(shortage_reason, strerror(ECHILD)) == 0);
}

/* A gate has ended with a question unread, for which no monitor can be had: it is over once, and no other is left by that. */
static void
slot_released_twice(void *arg)
{
	struct connection *c, *other;
	struct rlimit limit;
	char kept[512];
	int client[2], gate, pair[2];
	uint32_t slot, serial;
	pid_t pid;

	(void)arg;
	begin();
	other = come(&client[0]);
	serve(other, fork_idle());
	c = come(&client[1]);
	slot = c->slot;
	serial = c->serial;
	pid = fork_idle();
	gate = serve(c, pid);
	kill(pid, SIGKILL);
	CHECK(ends(pid));
	CHECK(msg_send(gate, &(struct msg){ .type = MSG_LOGIN }) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	close(pair[0]);
	close(pair[1]);
	limit.rlim_cur = (rlim_t)pair[0];
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	reap();
	CHECK(is_gone(slot, serial) && connections_find(other->slot, other->serial) == other);
	roles_keep_on_exec(kept, sizeof(kept), false);
	CHECK(kept[0] != '\0' && strcmp(strrchr(kept, ' '), " 1") == 0);
}

struct fault {
	enum role	role;		/* of the process that ends */
	bool		none_starts;	/* its successor can't be started, else it can't work */
};

/* Tries come later and later, whether processes can't be started or say that they can't work. */
static void
restarts(void *arg)
{
	const struct fault *fault = arg;
	unsigned before;

	begin();
	if (fault->none_starts)
		none_starts = true;
	else
		at_start = SAYS_FAILED;
	kill(newest(fault->role)->pid, SIGKILL);
	CHECK(ends(newest(fault->role)->pid));
	before = starts;
	reap();
	CHECK(!roles_are_ready());
	pass(60000);
	CHECK(starts - before >= 4 && starts - before <= 40);
	none_starts = false;
	at_start = SAYS_READY;
	pass(20000);
	CHECK(roles_are_ready());
}

/* Other files of certificates, which the listener looks at when a client comes. */
static void
change_certificates(void)
{
	opts.cert[0] = "/";
	roles_check_certificates();
}

/* Clients wait a short time for new certificates, and get the old ones if those hang; the next try comes a little later. */
static void
renewal_that_hangs(void *arg)
{
	pid_t hung[2];
	int i;

	(void)arg;
	begin();
	at_start = SAYS_NOTHING;
	change_certificates();
	CHECK(count_of(ROLE_GATE_ZYGOTE) == 2 && !roles_are_ready());
	pass(1500);
	CHECK(!roles_are_ready());
	pass(1000);
	CHECK(roles_are_ready());
	hung[0] = newest(ROLE_GATE_ZYGOTE)->pid;
	hung[1] = newest(ROLE_SIGNER)->pid;
	pass(PROCESS_READY_MS);
	for (i = 0; i < 2; i++)
		CHECK(ends(hung[i]) || errno == ECHILD);
	roles_check_certificates();
	CHECK(roles_are_ready() && count_of(ROLE_GATE_ZYGOTE) == 2);
	pass(3500);
	at_start = SAYS_READY;
	roles_check_certificates();
	CHECK(count_of(ROLE_GATE_ZYGOTE) == 3 && !roles_are_ready());
	hear();
	CHECK(roles_are_ready());
	roles_check_certificates();
	pass(2000);
	roles_check_certificates();
	CHECK(count_of(ROLE_GATE_ZYGOTE) == 3);
}

/* A new gate zygote that can't ask its signer says so, and ends; the signer that hangs is ended, or they would become more and more. */
static void
signer_that_hangs_at_a_renewal(void *arg)
{
	struct started *gates, *signer;
	static struct msg m;

	(void)arg;
	begin();
	at_start = SAYS_NOTHING;
	change_certificates();
	gates = newest(ROLE_GATE_ZYGOTE);
	signer = newest(ROLE_SIGNER);
	msg_begin(&m, MSG_READY);
	m.u.ready.failed = m.u.ready.later = 1;
	CHECK(msg_send(gates->fd, &m) == 0);
	hear();
	CHECK(roles_are_ready());
	CHECK(ends(signer->pid));
	at_start = SAYS_READY;
	pass(3500);
	roles_check_certificates();
	hear();
	CHECK(roles_are_ready() && count_of(ROLE_SIGNER) == 3);
}

/*
 * New certificates that are ready late wait for the last answer of the old gate zygote: no client gets in between, or they might wait for
 * ever. Behind its end no answer comes, even if another process has its pair open.
 */
static void
renewal_behind_the_last_answer(void *arg)
{
	bool answers = *(bool *)arg;
	struct connection *c;
	struct started *old;
	int client;

	begin();
	c = come(&client);
	old = newest(ROLE_GATE_ZYGOTE);
	at_start = SAYS_NOTHING;
	change_certificates();
	pass(2500);
	CHECK(roles_are_ready());
	say_ready(newest(ROLE_SIGNER)->fd, false);
	say_ready(newest(ROLE_GATE_ZYGOTE)->fd, false);
	hear();
	CHECK(!roles_are_ready());
	if (answers)
		say_spawned(old->fd, c->slot, c->serial, fork_idle());
	else {
		kill(old->pid, SIGKILL);
		CHECK(ends(old->pid));
		reap();
	}
	hear();
	CHECK(roles_are_ready());
}

/* A monitor zygote that was started anew and is never ready is ended, and the next one is used. */
static void
zygote_that_is_never_ready(void *arg)
{
	pid_t silent;

	(void)arg;
	begin();
	at_start = SAYS_NOTHING;
	kill(newest(ROLE_MONITOR_ZYGOTE)->pid, SIGKILL);
	CHECK(ends(newest(ROLE_MONITOR_ZYGOTE)->pid));
	reap();
	pass(1000);
	silent = newest(ROLE_MONITOR_ZYGOTE)->pid;
	CHECK(count_of(ROLE_MONITOR_ZYGOTE) == 2 && !roles_are_ready());
	pass(PROCESS_READY_MS - 2000);
	CHECK(stays(silent));
	at_start = SAYS_READY;
	pass(3000);
	CHECK(ends(silent) || errno == ECHILD);
	reap();
	pass(2000);
	CHECK(count_of(ROLE_MONITOR_ZYGOTE) == 3 && roles_are_ready());
}

/* A gate that says its end and then asks for a login is none of ours. */
static void
question_behind_the_end(void *arg)
{
	static struct msg m;
	struct connection *c;
	pid_t pid = fork_idle();
	int client, gate;

	(void)arg;
	begin();
	c = come(&client);
	gate = serve(c, pid);
	msg_begin(&m, MSG_LOG);
	m.u.log.event = EVENT_END;
	m.u.log.reason = REASON_LOGOUT;
	CHECK(msg_send(gate, &m) == 0);
	ask_login(gate);
	CHECK(c->monitor.state == CHILD_NONE && ends(pid));
}

/* The event of a connection that has just ended is read when its slot is another's. */
static void
event_of_the_slot_before(void *arg)
{
	static struct msg m;
	struct connection *c;
	int client, gate, monitor;
	pid_t pid = fork_idle();

	(void)arg;
	begin();
	c = come(&client);
	gate = hear_question(newest(ROLE_GATE_ZYGOTE)->fd, MSG_SPAWN_GATE, c->slot);
	msg_begin(&m, MSG_LOGIN);
	CHECK(msg_send(gate, &m) == 0);
	serve_login(c->slot);
	CHECK(c->monitor.state == CHILD_NONE);
	say_spawned(newest(ROLE_GATE_ZYGOTE)->fd, c->slot, c->serial, fork_idle());
	hear();
	CHECK(c->monitor.state == CHILD_STARTING);
	monitor = hear_question(newest(ROLE_MONITOR_ZYGOTE)->fd, MSG_SPAWN_MONITOR, c->slot);
	msg_begin(&m, MSG_LOGGED_IN);
	CHECK(msg_send(monitor, &m) == 0);
	serve_account(c->slot);
	CHECK(!connections_is_session(c));
	say_spawned(newest(ROLE_MONITOR_ZYGOTE)->fd, c->slot, c->serial, pid);
	hear();
	CHECK(connections_is_session(c));
}

/* A zygote that owes nothing hangs for nobody: its predecessor did. */
static void
zygote_that_owes_nothing(void *arg)
{
	(void)arg;
	begin();
	roles_kill_gate_zygote();
	roles_kill_monitor_zygote(ROLES_GENERATIONS);
	roles_kill_monitor_zygote(0);
	CHECK(stays(newest(ROLE_GATE_ZYGOTE)->pid));
	CHECK(stays(newest(ROLE_MONITOR_ZYGOTE)->pid));
}

/* --- a dry run that hangs */

static void
dry_run_that_hangs(void *arg)
{
	pid_t pid;

	(void)arg;
	alarm(TEST_S);
	setpgid(0, 0);
	pid = start_dry_run();
	CHECK(reload_due() > clock_ms() && !reload_kill_if_late());
	ahead_ms += 20000;
	CHECK(!reload_kill_if_late() && stays(pid));
	ahead_ms += 10000;
	CHECK(reload_kill_if_late() && ends(pid));
	/* The next one may begin; and this one's number may soon be another's. */
	CHECK(!reload_has_dry_run() && reload_due() == 0 && !reload_kill_if_late() && !reload_ended(pid));
}

/* --- a signer that is silent */

static void
silent_signer(void *arg)
{
	struct started *signer;
	static struct msg m;
	int i;

	(void)arg;
	begin();
	signer = newest(ROLE_SIGNER);
	for (i = 0; i < 5 * PROCESS_TICKS; i++) {
		roles_check_signer();
		if (recv(signer->fd, &m, sizeof(m), MSG_DONTWAIT) > 0 && m.type == MSG_READY)
			say_ready(signer->fd, false);
		hear();
	}
	CHECK(stays(signer->pid) && shortages == 0);
	for (i = 0; i < 2 * PROCESS_TICKS; i++)
		roles_check_signer();
	CHECK(shortages == 1 && ends(signer->pid));
	reap();
	pass(1000);
	CHECK(roles_are_ready() && count_of(ROLE_SIGNER) == 2 && count_of(ROLE_GATE_ZYGOTE) == 2);
	/* No question is open that another was asked. */
	for (i = 0; i < PROCESS_TICKS; i++)
		roles_check_signer();
	CHECK(runs(newest(ROLE_SIGNER)->pid));
}

/* --- a role that has been taken over */

/* The scene of all attacks: two connections whose gates or monitors were asked for, and one with both a gate and a session's process. */
static struct scene {
	int			 fd;		/* the attacker's */
	struct connection	*waits[2], *served;
	pid_t			 session;
	int			 passed;	/* a descriptor for those that pass some */
} scene;

static void
say_type(int fd, uint32_t type)
{
	static struct msg m;

	msg_begin(&m, (enum msg_type)type);
	(void)!send(fd, &m, sizeof(uint32_t) * 2 + sizeof(struct msg_login), MSG_DONTWAIT);
}

static void
attack_asked_for_nothing(void)
{
	say_spawned(scene.fd, 4711, 0, fork_idle());
}

static void
attack_serial_of_another(void)
{
	say_spawned(scene.fd, scene.waits[0]->slot, scene.waits[1]->serial, fork_idle());
}

static void
attack_served_already(void)
{
	say_spawned(scene.fd, scene.served->slot, scene.served->serial, fork_idle());
}

static void
attack_answers_twice(void)
{
	say_spawned(scene.fd, scene.waits[0]->slot, scene.waits[0]->serial, fork_idle());
	say_spawned(scene.fd, scene.waits[0]->slot, scene.waits[0]->serial, fork_idle());
}

static void
attack_answers_for_another(void)
{
	say_spawned(scene.fd, scene.waits[0]->slot, scene.waits[0]->serial, fork_idle());
}

static void
attack_pid_of_the_signer(void)
{
	say_spawned(scene.fd, scene.waits[0]->slot, scene.waits[0]->serial, newest(ROLE_SIGNER)->pid);
}

static void
attack_pid_of_a_session(void)
{
	say_spawned(scene.fd, scene.waits[0]->slot, scene.waits[0]->serial, scene.session);
}

static void
attack_pid_of_a_dry_run(void)
{
	say_spawned(scene.fd, scene.waits[0]->slot, scene.waits[0]->serial, start_dry_run());
}

static void
attack_ready_twice(void)
{
	say_ready(scene.fd, false);
}

static void
attack_fails_behind_ready(void)
{
	say_ready(scene.fd, true);
}

static void
attack_report_of_a_signature(void)
{
	static struct msg m;

	msg_begin(&m, MSG_SIGN_REPORT);
	m.u.sign_report.slot = scene.served->slot;
	m.u.sign_report.serial = scene.served->serial;
	m.u.sign_report.refused = 1;
	CHECK(msg_send(scene.fd, &m) == 0);
}

static void
attack_lines_without_end(void)
{
	static struct msg m;
	int i;

	msg_begin(&m, MSG_LOG);
	m.u.log.event = EVENT_ERROR;
	for (i = 0; i < 100; i++)
		if (msg_send_fds(scene.fd, &m, NULL, false) == -1)
			hear();
}

static void
attack_of_no_type(void)
{
	CHECK(send(scene.fd, "12345678", 8, 0) == 8);
}

static void
attack_of_another_size(void)
{
	say_type(scene.fd, MSG_SPAWNED);
}

static void
attack_of_a_gate(void)
{
	static struct msg m;

	msg_begin(&m, MSG_LOGIN);
	CHECK(msg_send(scene.fd, &m) == 0);
}

static void
attack_with_descriptors(void)
{
	static struct msg m;

	msg_begin(&m, MSG_LAUNCH_ANSWER);
	CHECK(msg_send_fds(scene.fd, &m, (const int[]){ scene.passed }, true) == 0);
}

static void
attack_with_a_question(void)
{
	static struct msg m;

	msg_begin(&m, MSG_SPAWN_PEER);
	CHECK(msg_send_fds(scene.fd, &m, (const int[]){ scene.passed, scene.passed }, true) == 0);
}

#define GATES		(1U << ROLE_GATE_ZYGOTE)
#define MONITORS	(1U << ROLE_MONITOR_ZYGOTE)
#define SIGNERS		(1U << ROLE_SIGNER)
#define ALL		(GATES | MONITORS | SIGNERS)

static const struct attack {
	const char	*name;
	void		(*run)(void);
	unsigned	 roles;
} attacks[] = {
	{ "an answer that was not asked for", attack_asked_for_nothing, ALL },
	{ "another's serial", attack_serial_of_another, ALL },
	{ "an answer for a connection that has its process", attack_served_already, GATES | SIGNERS },
	{ "two answers for one connection", attack_answers_twice, ALL },
	{ "an answer that is a zygote's", attack_answers_for_another, SIGNERS },
	{ "the signer's process id", attack_pid_of_the_signer, GATES | MONITORS },
	{ "a session's process id", attack_pid_of_a_session, GATES | MONITORS },
	{ "a dry run's process id", attack_pid_of_a_dry_run, GATES | MONITORS },
	{ "READY twice", attack_ready_twice, ALL },
	{ "a failure behind READY", attack_fails_behind_ready, ALL },
	{ "a signer's report", attack_report_of_a_signature, GATES | MONITORS },
	{ "lines without end", attack_lines_without_end, ALL },
	{ "no type", attack_of_no_type, ALL },
	{ "another size", attack_of_another_size, ALL },
	{ "a gate's message", attack_of_a_gate, ALL },
	{ "descriptors", attack_with_descriptors, ALL },
	{ "a question", attack_with_a_question, ALL },
};

/* A session's process has been a monitor. */
static void
set_scene(enum role attacker)
{
	struct connection *c[3];
	int client, i, gate[3];

	for (i = 0; i < 3; i++) {
		c[i] = come(&client);
		if (i == 0 || attacker == ROLE_MONITOR_ZYGOTE)
			gate[i] = serve(c[i], fork_idle());
	}
	scene = (struct scene){ newest(attacker)->fd, { c[1], c[2] }, c[0], fork_idle(), -1 };
	ask_login(gate[0]);
	say_spawned(newest(ROLE_MONITOR_ZYGOTE)->fd, c[0]->slot, c[0]->serial, scene.session);
	for (i = 1; attacker == ROLE_MONITOR_ZYGOTE && i < 3; i++)
		ask_login(gate[i]);
	hear();
	CHECK(c[0]->monitor.state == CHILD_RUNNING);
}

struct attacker {
	const struct attack	*attack;
	enum role		 role;
};

/* The attacker is ended and replaced, and nothing happens to anybody but those who wait for an answer. */
static void
taken_over(void *arg)
{
	const struct attacker *a = arg;
	unsigned before, i;
	pid_t attacker, signer;
	int pair[2];

	begin();
	set_scene(a->role);
	CHECK(pipe(pair) == 0);
	scene.passed = pair[1];
	before = count_of(a->role);
	attacker = newest(a->role)->pid;
	signer = newest(ROLE_SIGNER)->pid;
	a->attack->run();
	close(scene.passed);
	hear();
	/* The passed descriptor is not open here. */
	CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 && read(pair[0], pair, 1) == 0);
	CHECK(ends(attacker));
	CHECK(runs(scene.session) && scene.served->monitor.pid == scene.session && runs(scene.served->gate.pid));
	if (a->role != ROLE_SIGNER)
		CHECK(runs(signer));
	reap();
	/* No connection waits for an answer that no process owes. */
	for (i = 0; i < 2 && a->role != ROLE_SIGNER; i++)
		CHECK((a->role == ROLE_GATE_ZYGOTE ? scene.waits[i]->gate : scene.waits[i]->monitor).state != CHILD_STARTING);
	pass(1000);
	CHECK(count_of(a->role) == before + 1);
	for (i = 0; i < 2 && a->role == ROLE_SIGNER; i++)
		say_spawned(started[1].fd, scene.waits[i]->slot, scene.waits[i]->serial, fork_idle());
	hear();
	CHECK(roles_are_ready());
}

/* A process that is not ours is treated as one that has ended. */
static void
pid_of_a_stranger(void *arg)
{
	pid_t stranger = getppid();

	(void)arg;
	begin();
	set_scene(ROLE_GATE_ZYGOTE);
	say_spawned(scene.fd, scene.waits[0]->slot, scene.waits[0]->serial, stranger);
	hear();
	CHECK(connections_at(1) == NULL || connections_at(1)->gate.pid != stranger);
	CHECK(kill(stranger, 0) == 0);
}

/* A stranger that has the number of a process that was waited for is not killed. */
static void
kill_by_number(void *arg)
{
	setpgid(0, 0);
	process_kill(&(struct process){ .pid = *(pid_t *)arg });
}

/* A role says more at one time than any honest one: other events have their turn. */
static void
flood(void *arg)
{
	static struct msg m;
	struct event events[EVENTS_MAX];
	int fd, i, said = 0, size = 64 * 1024 * 1024;

	(void)arg;
	begin();
	fd = newest(ROLE_SIGNER)->fd;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) == -1)
		return; /* that is root's */
	msg_begin(&m, MSG_SIGN_REPORT);
	while (said < 3000 && msg_send_fds(fd, &m, NULL, false) == 0)
		said++;
	CHECK(said == 3000);
	for (i = 0; i < 2; i++) {
		roles_receive(1);
		CHECK(events_wait(events, 0) == 1);
	}
	roles_receive(1);
	CHECK(events_wait(events, 0) == 0 && runs(newest(ROLE_SIGNER)->pid));
}

/* --- the tests */

static void
run(void (*body)(void *), void *arg, const char *name)
{
	static struct child c;

	child_run(&c, body, arg);
	/* The test's idle children. */
	kill(-c.pid, SIGKILL);
	if (c.status != CHILD_RETURNED)
		fail_msg("%s: status %d: %s", name, c.status, c.len > 3000 ? c.err + c.len - 3000 : c.err);
}

#define TEST(body) \
	static void \
	test_##body(void **state) \
	{ \
		(void)state; \
		run(body, NULL, #body); \
	}

TEST(end_with_unread_answers)
TEST(end_behind_a_renewal)
TEST(end_of_the_next)
TEST(end_of_the_generation_that_took_over)
TEST(children_of_others)
TEST(early_end)
TEST(spawn_without_errno)
TEST(slot_released_twice)
TEST(question_behind_the_end)
TEST(event_of_the_slot_before)
TEST(zygote_that_owes_nothing)
TEST(zygote_that_is_never_ready)
TEST(renewal_that_hangs)
TEST(signer_that_hangs_at_a_renewal)
TEST(dry_run_that_hangs)
TEST(silent_signer)
TEST(pid_of_a_stranger)
TEST(flood)

static void
test_kill_by_number(void **state)
{
	pid_t stranger = fork_idle();
	bool stayed;

	(void)state;
	run(kill_by_number, &stranger, "kill by number");
	stayed = stays(stranger);
	kill(stranger, SIGKILL);
	waitpid(stranger, &(int){ 0 }, 0);
	assert_true(stayed);
}

static void
test_closed_pair(void **state)
{
	enum role role;

	(void)state;
	for (role = ROLE_GATE_ZYGOTE; role <= ROLE_MONITOR_ZYGOTE; role++)
		run(closed_pair, &role, "closed pair");
}

static void
test_end_of_another_generation(void **state)
{
	(void)state;
	run(end_of_another_generation, &(int){ 0 }, "the generation of now");
	run(end_of_another_generation, &(int){ 1 }, "an older generation");
}

static void
test_restarts(void **state)
{
	(void)state;
	run(restarts, &(struct fault){ ROLE_GATE_ZYGOTE, true }, "no gate zygote can be started");
	run(restarts, &(struct fault){ ROLE_GATE_ZYGOTE, false }, "no gate zygote can work");
	run(restarts, &(struct fault){ ROLE_SIGNER, true }, "no signer can be started");
	run(restarts, &(struct fault){ ROLE_SIGNER, false }, "no gate zygote can work with the new signer");
}

static void
test_renewal_behind_the_last_answer(void **state)
{
	(void)state;
	run(renewal_behind_the_last_answer, &(bool){ true }, "the answer comes");
	run(renewal_behind_the_last_answer, &(bool){ false }, "the zygote ends");
}

static void
test_taken_over(void **state)
{
	struct attacker a;
	char name[128];
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(attacks); i++)
		for (a.role = ROLE_GATE_ZYGOTE; a.role <= ROLE_MONITOR_ZYGOTE; a.role++) {
			if ((attacks[i].roles & 1U << a.role) == 0)
				continue;
			a.attack = &attacks[i];
			snprintf(name, sizeof(name), "%s, role %d", attacks[i].name, (int)a.role);
			run(taken_over, &a, name);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_pair),
		cmocka_unit_test(test_end_with_unread_answers),
		cmocka_unit_test(test_end_behind_a_renewal),
		cmocka_unit_test(test_end_of_the_next),
		cmocka_unit_test(test_end_of_another_generation),
		cmocka_unit_test(test_end_of_the_generation_that_took_over),
		cmocka_unit_test(test_children_of_others),
		cmocka_unit_test(test_early_end),
		cmocka_unit_test(test_spawn_without_errno),
		cmocka_unit_test(test_slot_released_twice),
		cmocka_unit_test(test_restarts),
		cmocka_unit_test(test_zygote_that_is_never_ready),
		cmocka_unit_test(test_renewal_that_hangs),
		cmocka_unit_test(test_signer_that_hangs_at_a_renewal),
		cmocka_unit_test(test_renewal_behind_the_last_answer),
		cmocka_unit_test(test_question_behind_the_end),
		cmocka_unit_test(test_event_of_the_slot_before),
		cmocka_unit_test(test_zygote_that_owes_nothing),
		cmocka_unit_test(test_dry_run_that_hangs),
		cmocka_unit_test(test_silent_signer),
		cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_pid_of_a_stranger),
		cmocka_unit_test(test_kill_by_number),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests_name("roles", tests, NULL, NULL);
}
