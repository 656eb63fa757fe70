/*
 * Finds out from argv[0], the options and the passed descriptors which process to be, and runs it.
 * Where root has started it, these processes run as root:
 *
 * process         as root                               reads from other processes
 *
 * listener        for the life of the service           fixed-size messages; nothing from clients
 *   its dry run   for the start of a reload             fixed-size messages of its own zygotes
 * monitor zygote  for the life of its settings          fixed-size messages of the listener
 * monitor         from the first login (superserver,    fixed-size messages of gate and listener
 *                 --preauth peer: from the start) until
 *                 it executes the mailbox program
 * PAM keeper      for the session (--pam-session wait)  one fixed-size message of a relay
 * keeper          with kernel TLS, until it has         nothing
 *                 become the user
 * gate zygote     until certificates are read           fixed-size messages of the signer
 * signer          until private keys are read           nothing
 * gate            under a superserver, from the fork    nothing
 *                 to its sandbox
 * --check,        with the rights of the user that      files; output of the mailbox program
 * --probe         runs them
 *
 * The monitor and its zygote have PAM and its modules loaded; PAM's configuration files are read in
 * a child of the zygote, which exits (pammodules.c). The code is in listener/, monitor/ (keepers
 * too), gate/, signer/ and check/.
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
#include "base/log.h"
#include "base/systemd.h"
#include "base/title.h"
#include "check/check.h"
#include "check/probe.h"
#include "config/options.h"
#include "config/setting.h"
#include "connection.h"
#include "gate/gatezygote.h"
#include "listener/listener.h"
#include "monitor/keeper.h"
#include "monitor/monitorzygote.h"
#include "role.h"
#include "signer/signer.h"

/*
 * Opens those of descriptors 0 to 2 that a superserver has left closed: else the next file that
 * is opened would be taken for the client.
 */
static void
fill_descriptors(void)
{
	int fd = STDIN_FILENO;

	/* Opens nothing if none is closed, so nothing can fail before there is a log. */
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
 * Returns whether standard error is the client's socket, as under inetd: neither this program nor
 * the mailbox program may write to it then. With systemd descriptors 1 and 2 may be one socket too,
 * the journal's.
 */
static bool
stderr_is_client(void)
{
	struct stat client, log;

	if (systemd_stderr_is_journal())
		return false;
	if (fstat(STDOUT_FILENO, &client) == -1 || fstat(STDERR_FILENO, &log) == -1)
		return false;
	return S_ISSOCK(log.st_mode) && client.st_dev == log.st_dev && client.st_ino == log.st_ino;
}

static void
redirect_stderr_to_null(void)
{
	int fd = open("/dev/null", O_WRONLY);

	if (fd == -1 || dup2(fd, STDERR_FILENO) == -1)
		_exit(EX_OSERR);
	close(fd);
}

/* Logs an error of the options, as standard error is the client. Set as options_error_hook. */
static void
log_options_error(const char *text)
{
	struct log_line l;

	log_open(LOG_TO_AUTO);
	log_begin(&l, LOG_ERR, "error");
	log_text(&l, "text", text);
	log_write(&l);
}

/*
 * Checks --preauth cert for a connection without a listener: PREAUTH is the greeting (RFC 9051,
 * 7.1.4), so the certificate must be known before it. A listener checks its sockets instead.
 */
static void
require_tls_on_connect(const struct options *o)
{
	if (o->preauth == PREAUTH_CERT && !o->tls_on_connect)
		setting_usage_error("--preauth cert needs --tls-on-connect");
}

/* Runs a role that the listener has executed, see role.h. */
static void __attribute__((noreturn))
run_role(enum role role, char *argv[], struct options *o)
{
	role_begin(argv, o);
	switch (role) {
	case ROLE_GATE_ZYGOTE:
		gatezygote_run(o);
	case ROLE_SIGNER:
		signer_run(o);
	case ROLE_MONITOR_ZYGOTE:
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
	bool client_on_stderr;

	/* argc 0: CVE-2021-4034. AT_SECURE: a setuid bit is not supported. */
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
	client_on_stderr = stderr_is_client();
	if (client_on_stderr) {
		redirect_stderr_to_null();
		options_error_hook = log_options_error;
	}
	options_parse(&opts, argc, argv);
	if (opts.check)
		return check_run(&opts);
	if (opts.probe)
		return probe_run(&opts);
	log_open(opts.log);
	listening = activation_take(sockets);
	if (listening == 0)
		require_tls_on_connect(&opts);
	/*
	 * Keys and passwords will be in this process: no core file, and no ptrace(2) by the user
	 * that it becomes. execve(2) undoes this.
	 */
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		die("PR_SET_DUMPABLE");
	if (listening > 0)
		listener_run(&opts, sockets, listening, argv);
	connection_run(&opts);
}
