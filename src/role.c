/*
 * Roles, see role.h. role_start() is run by the listener, the rest by the new process; both as
 * root.
 */

#include "role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/log.h"
#include "base/openfiles.h"
#include "base/title.h"

static const char *const titles[] = {
	[ROLE_GATE_ZYGOTE] = "gate zygote",
	[ROLE_SIGNER] = "signer",
	[ROLE_MONITOR_ZYGOTE] = "monitor zygote",
};

static const char *const names[] = {
	[ROLE_GATE_ZYGOTE] = "imapgate-gates",
	[ROLE_SIGNER] = "imapgate-signer",
	[ROLE_MONITOR_ZYGOTE] = "imapgate-monitors",
};

/* Above all descriptors of roles. */
#define HIGH_FD	16

/*
 * Most arguments that settings have: each option about a dozen times, and PROGRAM with its
 * arguments.
 */
#define WORDS_MAX	512

static int
write_settings(enum role role)
{
	int fd = memfd_create("imapgate-settings", MFD_CLOEXEC);

	if (fd == -1)
		return -1;
	if (options_write(role, fd))
		return fd;
	close(fd);
	return -1;
}

/*
 * Moves the descriptors to the numbers that the role expects. Returns false with errno on
 * failure.
 */
static bool
place_descriptors(const int from[4])
{
	int high[4], i;

	for (i = 1; i < 4; i++) {
		high[i] = from[i] == -1 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (from[i] != -1 && high[i] == -1)
			return false;
	}
	if (!log_move(ROLE_LOG) || fcntl(ROLE_LOG, F_SETFD, 0) == -1)
		return false;
	for (i = 1; i < 4; i++)
		if (high[i] != -1 && dup2(high[i], ROLE_LOG + i) == -1)
			return false;
	return descriptors_close_on_exec_from(from[3] != -1 ? ROLE_SIGNING + 1 : ROLE_SIGNING);
}

/*
 * Executes the running program's file, even if its path has another one now; without /proc, its
 * path. Returns on failure.
 */
static void
execute_role(enum role role, char words[LOG_WORDS_MAX][LOG_WORD_SIZE], size_t n)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = { path, title_room(), NULL };
	char *argv[LOG_WORDS_MAX + 2] = { (char *)names[role] };
	size_t i;

	for (i = 0; i < n; i++)
		argv[i + 1] = words[i];
	execve("/proc/self/exe", argv, environment);
	execve((const char *)getauxval(AT_EXECFN), argv, environment);
}

pid_t
role_start(enum role role, int control, int signing, const struct signals *signals)
{
	char words[LOG_WORDS_MAX][LOG_WORD_SIZE];
	int settings = write_settings(role);
	size_t n = log_export(words);
	pid_t pid;

	if (settings == -1)
		return -1;
	pid = fork();
	if (pid != 0) {
		close(settings);
		return pid;
	}
	signals_restore(signals);
	openfiles_restore();
	if (place_descriptors((const int[]){ -1, control, settings, signing }))
		execute_role(role, words, n);
	die("can't start %s", names[role]);
}

bool
role_is(const char *name, enum role *role)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0) {
			*role = (enum role)i;
			return true;
		}
	return false;
}

/*
 * Reads the settings as arguments, which stay in memory since the options point to them. Returns
 * their number, 0 on failure.
 */
static int
read_settings(char *words[WORDS_MAX + 1])
{
	struct stat st;
	char *text, *at;
	int n = 0;

	if (fstat(ROLE_SETTINGS, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return 0;
	text = malloc((size_t)st.st_size);
	if (text == NULL || pread(ROLE_SETTINGS, text, (size_t)st.st_size, 0) != st.st_size || text[st.st_size - 1] != '\0')
		return 0;
	for (at = text; at < text + st.st_size && n < WORDS_MAX; at += strlen(at) + 1)
		words[n++] = at;
	words[n] = NULL;
	return at == text + st.st_size ? n : 0;
}

void
role_begin(char *argv[], struct options *o)
{
	static char *words[WORDS_MAX + 1];
	enum role role;
	int n;

	if (argv[1] == NULL || !log_import(ROLE_LOG, argv + 1))
		_exit(EX_USAGE);
	/*
	 * The end of file ends a role too, but not one that hangs, as in a file system or a module of
	 * NSS. Changing the user drops this: gate zygote and signer have it while they start only.
	 */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		die("PR_SET_DUMPABLE");
	if (role_is(argv[0], &role))
		title_set(NULL, NULL, "%s", titles[role]);
	prctl(PR_SET_NAME, argv[0]);
	fcntl(ROLE_CONTROL, F_SETFD, FD_CLOEXEC);
	fcntl(ROLE_SIGNING, F_SETFD, FD_CLOEXEC);
	n = read_settings(words);
	if (n == 0)
		die("can't read the settings of %s", argv[0]);
	options_parse(o, n, words);
	close(ROLE_SETTINGS);
}

/*
 * SECURITY: a compromised signer or gate must not write to the log or to the service's standard
 * output.
 */
void
role_close_log(void)
{
	int fd, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
#ifdef IMAPGATE_SANITIZED
	const int last = STDOUT_FILENO;		/* sanitizers write to standard error */
#else
	const int last = STDERR_FILENO;
#endif

	if (null_fd == -1)
		die("/dev/null");
	for (fd = STDIN_FILENO; fd <= last; fd++)
		if (dup2(null_fd, fd) == -1)
			die("/dev/null");
	close(null_fd);
	close(ROLE_LOG);
}
