/* Checks of this host, see host.h. Run by --check, usually as root. */

#include "check/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <poll.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "check/child.h"
#include "check/finding.h"
#include "tls/ktls_probe.h"

/* Lower uids are shared by programs on every system: daemon, www-data. */
#define UID_OF_ALL	100
/* The overflow uid, of NFS and of other user namespaces (user_namespaces(7)). */
#define UID_NOBODY	65534

static void
report_gate_user(const struct options *o, uid_t uid)
{
	if (uid < UID_OF_ALL || uid == UID_NOBODY || strcmp(o->gate_user, "nobody") == 0)
		finding_report(FINDING_WARNING, "--gate-user", "%s belongs to other programs too, which a compromised gate could reach; give the gate a "
		    "user of its own", o->gate_user);
	else if (uid >= o->min_uid)
		finding_report(FINDING_WARNING, "--gate-user", "%s has uid %u, which --min-uid lets log in; make it a system user", o->gate_user,
		    (unsigned)uid);
	else
		finding_report(FINDING_OK, "--gate-user", "%s, uid %u", o->gate_user, (unsigned)uid);
}

static void
check_gate_user(const struct options *o, struct sandbox *sandbox)
{
	const struct passwd *pw = getpwnam(o->gate_user);

	if (pw == NULL)
		finding_report(FINDING_ERROR, "--gate-user", "there is no user %s; useradd --system --no-create-home --shell /usr/sbin/nologin %s",
		    o->gate_user, o->gate_user);
	else if (pw->pw_uid == 0 || pw->pw_gid == 0)
		finding_report(FINDING_ERROR, "--gate-user", "%s is root, or in its group; the gate needs a user of its own", o->gate_user);
	else {
		sandbox->uid = pw->pw_uid;
		sandbox->gid = pw->pw_gid;
		report_gate_user(o, pw->pw_uid);
	}
}

/* Returns whether a directory is empty. A compromised gate might use what is in its root. */
static bool
is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	bool empty = true;

	while (d != NULL && empty && (entry = readdir(d)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (d != NULL)
		closedir(d);
	return empty;
}

/* Checks the gate's root directory. Returns whether the sandbox can be tested with it. */
static bool
check_gate_root(const struct options *o)
{
	const char *dir = o->gate_root;
	struct stat st;

	if (stat(dir, &st) == -1 && errno == ENOENT) {
		finding_report(FINDING_OK, "--gate-root", "%s does not exist yet: the first connection creates it", dir);
		return true;
	}
	if (stat(dir, &st) == -1 || !S_ISDIR(st.st_mode))
		finding_report(FINDING_ERROR, "--gate-root", "%s is not a usable directory", dir);
	else if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		finding_report(FINDING_ERROR, "--gate-root", "users other than root can write to %s; chown root: and chmod 755 it", dir);
	else if (!is_empty(dir))
		finding_report(FINDING_WARNING, "--gate-root", "%s is not empty; give the gate a directory of its own", dir);
	else {
		finding_report(FINDING_OK, "--gate-root", "%s is empty and root's", dir);
		return true;
	}
	return false;
}

/*
 * Sends and receives an octet as a gate does: some architectures use other system calls for
 * that, which the filter may not allow.
 */
static void
try_to_talk(int fd)
{
	static const char mute[] = "nothing can be sent or received";
	struct pollfd pfd = { fd, POLLIN | POLLOUT, 0 };
	char byte = 'x';

	if (clock_ms() < 0 || poll(&pfd, 1, 0) != 1 || send(fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1 ||
	    recv(fd, &byte, 1, MSG_DONTWAIT) != 1)
		(void)!write(SANDBOX_MONITOR, mute, sizeof(mute) - 1);
}

/* Returns a datagram socket connected to its own automatic name (unix(7), autobind). */
static int
open_echo(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sun);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&sun, sizeof(sa_family_t)) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sun, &len) == -1 || connect(fd, (struct sockaddr *)&sun, len) == -1)
		die("can't connect a socket to itself");
	return fd;
}

/*
 * Enters the sandbox as a gate does, sends and receives, and tries to open a file (a child_task).
 */
static void
enter_sandbox(void *arg, int fd)
{
	static const char leak[] = "files can still be opened";

	sandbox_descriptors((const int[]){ fd, open_echo() }, 2);
	child_report_to(SANDBOX_MONITOR);
	sandbox_close_others();
	sandbox_enter(arg, SANDBOX_GATE);
	try_to_talk(SANDBOX_MONITOR + 1);
	if (open("/", O_RDONLY) != -1 || errno != EACCES)
		(void)!write(SANDBOX_MONITOR, leak, sizeof(leak) - 1);
}

static void
check_sandbox(const struct options *o, struct sandbox *sandbox)
{
	bool created = access(o->gate_root, F_OK) == -1;
	char error[256];

	sandbox->root = o->gate_root;
	sandbox->privileged = geteuid() == 0;
	child_run(enter_sandbox, sandbox, error, sizeof(error));
	if (created && sandbox->privileged)
		rmdir(o->gate_root);
	if (error[0] == '\0')
		finding_report(FINDING_OK, "sandbox", "a process can enter it");
	else
		finding_report(FINDING_ERROR, "sandbox", "%s; a kernel with seccomp filters is needed, and a container or unit that allows them", error);
}

static void
check_ktls(const struct options *o)
{
	enum ktls_obstacle obstacle = o->ktls != KTLS_OFF ? ktls_probe_kernel() : OBSTACLE_OFF;
	const char *what;

	if (obstacle == OBSTACLE_OFF || obstacle == OBSTACLE_NONE) {
		finding_report(FINDING_OK, "kernel TLS", "%s", obstacle == OBSTACLE_OFF ? "not wanted (--ktls off)" : "supported by this kernel");
		return;
	}
	what = obstacle == OBSTACLE_MODULE ? "the kernel has no module \"tls\", or may not load it" : obstacle == OBSTACLE_KERNEL ?
	    "the kernel does not support AES-128-GCM" : "it can't be tested on loopback";
	if (o->ktls == KTLS_REQUIRE)
		finding_report(FINDING_ERROR, "kernel TLS", "%s: %s; every login over TLS will be refused. %s, or say --ktls auto", what, strerror(errno),
		    obstacle == OBSTACLE_MODULE ? "Name tls in /etc/modules-load.d (now: modprobe tls)" : "Take another kernel");
	else
		finding_report(FINDING_NOTE, "kernel TLS", "%s: %s; sessions are relayed. Name tls in /etc/modules-load.d, or say --ktls off", what,
		    strerror(errno));
}

static void
check_log(const struct options *o)
{
	static const char *const names[] = { "the journal where systemd starts it, else syslog", "the journal", "syslog", "standard error" };
	const char *error = log_target_error(o->log);

	if (error == NULL)
		finding_report(FINDING_OK, "--log", "%s", names[o->log]);
	else if (o->log == LOG_TO_AUTO)
		finding_report(FINDING_WARNING, "--log", "neither journal nor syslog can be reached: lines go to standard error, and under inetd they are "
		    "lost; start a syslog daemon");
	else
		finding_report(FINDING_ERROR, "--log", "%s can't be reached: %s", names[o->log], error);
}

/* Prints versions for bug reports. Linux-PAM's can't be queried at run time. */
static void
show_versions(const struct options *o)
{
	struct utsname kernel;
	char openssl[64] = "";

	if (uname(&kernel) == -1)
		return;
	if (o->n_cert > 0)
		snprintf(openssl, sizeof(openssl), ", OpenSSL %s", OpenSSL_version(OPENSSL_VERSION_STRING));
	finding_report(FINDING_OK, "versions", "%s %s %s, glibc %s%s; built with the headers of OpenSSL %s and Linux-PAM %d.%d; %s",
	    kernel.sysname, kernel.release, kernel.machine, gnu_get_libc_version(), openssl, OPENSSL_VERSION_STR, __LINUX_PAM__,
	    __LINUX_PAM_MINOR__, access("/run/systemd/system", F_OK) == 0 ? "booted by systemd" : "no systemd");
}

void
host_check(const struct options *o, struct sandbox *sandbox)
{
	bool ready = true;

	show_versions(o);
	if (geteuid() == 0) {
		check_gate_user(o, sandbox);
		ready = check_gate_root(o) && sandbox->uid != 0;
	} else
		finding_report(FINDING_WARNING, "not tried", "--gate-user, --gate-root: only root can");
	if (ready)
		check_sandbox(o, sandbox);
	else
		finding_report(FINDING_NOTE, "sandbox", "not tried; correct --gate-user and --gate-root, and check again");
	if (o->n_cert > 0)
		check_ktls(o);
	check_log(o);
}
