/*
 * A PAM module that judges OAuth tokens, as real ones do by asking whoever
 * has issued them: the token says whose it is, and nobody is asked for a
 * name. For tests only.
 *
 *   token=TEXT      the one that is good; without it any is
 *   owner=NAME      whose it is: PAM_USER becomes this, whatever it was
 *   record=FILE     appends a line for every token: the name that was given, length and token
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

/* The text behind "name=", NULL if there is none. */
static const char *
argument(int argc, const char **argv, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=')
			return argv[i] + len + 1;
	return NULL;
}

static void
record(pam_handle_t *pamh, const char *file, const char *token)
{
	const void *user = NULL;
	FILE *f;

	if (file == NULL || (f = fopen(file, "a")) == NULL)
		return;
	if (pam_get_item(pamh, PAM_USER, &user) != PAM_SUCCESS || user == NULL)
		user = "-";
	fprintf(f, "%s %zu %s\n", (const char *)user, strlen(token), token);
	fclose(f);
}

int
pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	const char *good = argument(argc, argv, "token"), *owner = argument(argc, argv, "owner");
	char *token = NULL;
	int code = pam_prompt(pamh, PAM_PROMPT_ECHO_OFF, &token, "Token: ");

	(void)flags;
	if (code != PAM_SUCCESS || token == NULL)
		return PAM_AUTHINFO_UNAVAIL;
	record(pamh, argument(argc, argv, "record"), token);
	code = good == NULL || strcmp(good, token) == 0 ? PAM_SUCCESS : PAM_AUTH_ERR;
	free(token);
	if (code == PAM_SUCCESS && owner != NULL)
		code = pam_set_item(pamh, PAM_USER, owner);
	return code;
}

int
pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_SUCCESS;
}

int
pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_SUCCESS;
}
