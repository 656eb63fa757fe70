/*
 * A PAM module that does what its arguments say, so that a test can be any
 * module that the field might have. It is for tests only: it takes a password
 * from its arguments and may write down what it was given.
 *
 *   auth=N account=N cred=N open=N close=N   the PAM code that each phase returns
 *   name=TEXT password=TEXT     other users are unknown, other passwords wrong
 *   prompts=N                   no-echo prompts in auth (default 1)
 *   echo-prompt                 asks the login name first, with echo
 *   binary-prompt               asks something that no text conversation knows
 *   say=TEXT error=TEXT account-say=TEXT    texts for the user
 *   closes=yes                              all descriptors are closed for account
 *   sleep=SECONDS account-sleep=SECONDS open-sleep=SECONDS close-sleep=SECONDS
 *   account-shadow              reads the user's line of /etc/shadow, as pam_unix did by itself until Linux-PAM 1.5
 *   become=NAME account-become=NAME    rewrites PAM_USER
 *   env=NAME=VALUE              pam_putenv in auth, repeatable
 *   record=FILE                 appends a line for every call
 *   run=PROGRAM                 runs it at each call, with the descriptors that it finds and the phase as its argument
 */

#include <errno.h>
#include <shadow.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_appl.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>

struct arguments {
	int		 argc;
	const char	**argv;
};

/* The text behind "name=", NULL if there is none. */
static const char *
argument(struct arguments a, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < a.argc; i++)
		if (strncmp(a.argv[i], name, len) == 0 && a.argv[i][len] == '=')
			return a.argv[i] + len + 1;
	return NULL;
}

static bool
flag(struct arguments a, const char *name)
{
	for (int i = 0; i < a.argc; i++)
		if (strcmp(a.argv[i], name) == 0)
			return true;
	return false;
}

static int
number(struct arguments a, const char *name, int otherwise)
{
	const char *text = argument(a, name);

	return text == NULL ? otherwise : atoi(text);
}

/* Sleeps the whole time, whatever signals come: a module that hangs hangs. */
static void
nap(struct arguments a, const char *name)
{
	struct timespec left = { .tv_sec = number(a, name, 0) };

	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		;
}

/* Closes all descriptors, as a module that makes a daemon does. */
static void
close_all(struct arguments a)
{
	int fd;

	for (fd = 0; argument(a, "closes") != NULL && fd < 256; fd++)
		close(fd);
}

static const char *
item(pam_handle_t *pamh, int which)
{
	const void *value = NULL;

	if (pam_get_item(pamh, which, &value) != PAM_SUCCESS || value == NULL)
		return "-";
	return value;
}

/* As pam_script(8) does, which redirects nothing. */
static void
run(struct arguments a, const char *phase)
{
	const char *program = argument(a, "run");
	pid_t pid = program != NULL ? fork() : -1;

	if (pid == 0) {
		execl(program, program, phase, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* One line for each call: what a module is told by the application. */
static void
record(pam_handle_t *pamh, struct arguments a, const char *phase, int flags, const char *secret)
{
	const char *file = argument(a, "record");
	FILE *f;

	if (file == NULL || (f = fopen(file, "a")) == NULL)
		return;
	fprintf(f, "%s user=%s rhost=%s tty=%s ruser=%s service=%s flags=%#x pid=%d euid=%d secret=", phase,
	    item(pamh, PAM_USER), item(pamh, PAM_RHOST), item(pamh, PAM_TTY), item(pamh, PAM_RUSER),
	    item(pamh, PAM_SERVICE), (unsigned)flags, (int)getpid(), (int)geteuid());
	for (const char *s = secret; s != NULL && *s != '\0'; s++)
		fprintf(f, "%02x", (unsigned char)*s);
	fprintf(f, "\n");
	fclose(f);
}

static int
ask_binary(pam_handle_t *pamh)
{
	const void *conv = NULL;
	struct pam_message message = { .msg_style = 7 /* PAM_BINARY_PROMPT */, .msg = "" };
	const struct pam_message *messages[] = { &message };
	struct pam_response *answer = NULL;

	if (pam_get_item(pamh, PAM_CONV, &conv) != PAM_SUCCESS || conv == NULL)
		return PAM_CONV_ERR;
	const struct pam_conv *talk = conv;
	return talk->conv(1, messages, &answer, talk->appdata_ptr);
}

/* All the prompts; the first no-echo answer is the password. */
static int
converse(pam_handle_t *pamh, struct arguments a, char **secret)
{
	int code;

	if (argument(a, "say") != NULL)
		pam_info(pamh, "%s", argument(a, "say"));
	if (argument(a, "error") != NULL)
		pam_error(pamh, "%s", argument(a, "error"));
	if (flag(a, "binary-prompt") && (code = ask_binary(pamh)) != PAM_SUCCESS)
		return code;
	if (flag(a, "echo-prompt")) {
		char *name = NULL;

		if ((code = pam_prompt(pamh, PAM_PROMPT_ECHO_ON, &name, "login: ")) != PAM_SUCCESS)
			return code;
		record(pamh, a, "echo", 0, name);
		free(name);
	}
	for (int i = 0; i < number(a, "prompts", 1); i++) {
		char *answer = NULL;

		if ((code = pam_prompt(pamh, PAM_PROMPT_ECHO_OFF, &answer, "Password: ")) != PAM_SUCCESS)
			return code;
		if (i == 0)
			*secret = answer;
		else
			free(answer);
	}
	return PAM_SUCCESS;
}

static int
check(struct arguments a, const char *user, const char *secret)
{
	const char *name = argument(a, "name");
	const char *password = argument(a, "password");

	if (name != NULL && strcmp(name, user) != 0)
		return PAM_USER_UNKNOWN;
	if (password != NULL && (secret == NULL || strcmp(password, secret) != 0))
		return PAM_AUTH_ERR;
	return PAM_SUCCESS;
}

int
pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct arguments a = { argc, argv };
	const char *user = NULL;
	char *secret = NULL;
	int code;

	if (pam_get_user(pamh, &user, NULL) != PAM_SUCCESS || user == NULL)
		return PAM_USER_UNKNOWN;
	code = converse(pamh, a, &secret);
	/* A test can wait for this line, and knows then that the module hangs. */
	record(pamh, a, "auth", flags, secret);
	nap(a, "sleep");
	run(a, "auth");
	if (code == PAM_SUCCESS)
		code = check(a, user, secret);
	free(secret);
	if (code != PAM_SUCCESS)
		return code;
	if (argument(a, "become") != NULL)
		pam_set_item(pamh, PAM_USER, argument(a, "become"));
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "env=", 4) == 0)
			pam_putenv(pamh, argv[i] + 4);
	return number(a, "auth", PAM_SUCCESS);
}

int
pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct arguments a = { argc, argv };

	record(pamh, a, "cred", flags, NULL);
	run(a, "cred");
	return number(a, "cred", PAM_SUCCESS);
}

static void
read_shadow(pam_handle_t *pamh, struct arguments a)
{
	const char *user;

	for (int i = 0; i < a.argc; i++)
		if (strcmp(a.argv[i], "account-shadow") == 0 && pam_get_user(pamh, &user, NULL) == PAM_SUCCESS)
			(void)getspnam(user);
}

int
pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct arguments a = { argc, argv };

	record(pamh, a, "account", flags, NULL);
	run(a, "account");
	read_shadow(pamh, a);
	close_all(a);
	nap(a, "account-sleep");
	if (argument(a, "account-say") != NULL)
		pam_info(pamh, "%s", argument(a, "account-say"));
	if (argument(a, "account-become") != NULL)
		pam_set_item(pamh, PAM_USER, argument(a, "account-become"));
	return number(a, "account", PAM_SUCCESS);
}

int
pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct arguments a = { argc, argv };

	record(pamh, a, "open", flags, NULL);
	run(a, "open");
	nap(a, "open-sleep");
	return number(a, "open", PAM_SUCCESS);
}

int
pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct arguments a = { argc, argv };

	record(pamh, a, "close", flags, NULL);
	run(a, "close");
	nap(a, "close-sleep");
	return number(a, "close", PAM_SUCCESS);
}
