/*
 * What was asked for, and descriptors in order; then this process is what it
 * was started as. Where root has started it, these run as root:
 *
 *   listener (listener/)          as long as the service; reads no octet of a client's
 *   monitor zygote (monitor/)     the same; has PAM loaded, and no client
 *   monitor (monitor/)            from the first login to the mailbox program, and under a superserver from the
 *                                 beginning; reads messages of fixed size
 *   PAM keeper (monitor/)         as long as a session, with --pam-session wait; reads one message of fixed size
 *   gate zygote (gate/), signer (signer/)   until they have read certificates, and keys: before their first client
 *   gate (gate/)                  under a superserver, from the fork to its sandbox: before its first octet
 *   keeper (monitor/)             of kernel TLS, until it has become the user
 *   --check, --probe (check/)     as whoever asks
 */

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "activation.h"
#include "check/check.h"
#include "check/probe.h"
#include "connection.h"
#include "gate/gatezygote.h"
#include "listener/listener.h"
#include "base/log.h"
#include "monitor/keeper.h"
#include "monitor/monitorzygote.h"
#include "config/options.h"
#include "role.h"
#include "config/setting.h"
#include "signer/signer.h"
#include "base/systemd.h"
#include "base/title.h"

/* A superserver may leave one of 0 to 2 closed; then the next file that is opened would be taken for the client. */
static void
fill_descriptors(void)
{
	int fd = STDIN_FILENO;

	/* Where none is closed nothing is opened, and nothing can fail before there is a log. */
	while (fd <= STDERR_FILENO && fcntl(fd, F_GETFD) != -1)
		fd++;
	if (fd > STDERR_FILENO)
		return;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd == -1)
		_exit(EX_OSERR);
	close(fd);
}

/*
 * inetd makes descriptor 2 the client's socket too. Nothing of ours, nor of the mailbox program's, may be said there.
 * systemd makes 1 and 2 one socket as well, where both are the journal's.
 */
static bool
stderr_is_client(void)
{
	struct stat client, log;

	if (systemd_has_stderr())
		return false;
	if (fstat(STDOUT_FILENO, &client) == -1 || fstat(STDERR_FILENO, &log) == -1)
		return false;
	return S_ISSOCK(log.st_mode) && client.st_dev == log.st_dev && client.st_ino == log.st_ino;
}

static void
leave_stderr(void)
{
	int fd = open("/dev/null", O_WRONLY);

	if (fd == -1 || dup2(fd, STDERR_FILENO) == -1)
		_exit(EX_OSERR);
	close(fd);
}

/* And so a fault of the options goes to the log. */
static void
log_options_error(const char *text)
{
	struct log_line l;

	log_open(LOG_TO_AUTO);
	log_begin(&l, LOG_ERR, "error");
	log_text(&l, "text", text);
	log_write(&l);
}

/* RFC 9051, 7.1.4: PREAUTH is the greeting, so the certificate must be known before it. With a listener its sockets decide. */
static void
require_tls_on_connect(const struct options *o)
{
	if (o->preauth == PREAUTH_CERT && !o->tls_on_connect)
		setting_usage("--preauth cert needs --tls-on-connect");
}

/* What the listener has executed, see role.h. */
static void __attribute__((noreturn))
run_role(enum role role, char *argv[], struct options *o)
{
	role_begin(argv, o);
	switch (role) {
	case ROLE_GATES:
		gatezygote_run(o);
	case ROLE_SIGNER:
		signer_run(o);
	case ROLE_MONITORS:
		monitorzygote_run(o);
	}
	_exit(EX_USAGE);
}

int
main(int argc, char *argv[])
{
	static struct options opts;
	static struct activation_socket sockets[ACTIVATION_MAX];
	size_t listening;
	enum role role;
	bool inetd;

	/* CVE-2021-4034, and the day when somebody sets the setuid bit. */
	if (argc < 1 || getauxval(AT_SECURE) != 0)
		_exit(EX_USAGE);
	argv = title_begin(argv);
	if (argv == NULL)
		_exit(EX_OSERR);
	if (strcmp(argv[0], KEEPER_NAME) == 0)
		keeper_run(argv);
	if (role_is(argv[0], &role))
		run_role(role, argv, &opts);
	fill_descriptors();
	inetd = stderr_is_client();
	if (inetd) {
		leave_stderr();
		options_error_hook = log_options_error;
	}
	options_parse(&opts, argc, argv);
	if (opts.check)
		return check_run(&opts);
	if (opts.probe && !opts.check)
		return probe_run(&opts);
	log_open(opts.log);
	listening = activation_take(sockets);
	if (listening == 0)
		require_tls_on_connect(&opts);
	/* Keys and passwords will be in this process: no core, no ptrace(2) by the user it becomes. execve(2) undoes it. */
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		die("PR_SET_DUMPABLE");
	if (listening > 0)
		listener_run(&opts, sockets, listening, argv);
	connection_run(&opts);
}
