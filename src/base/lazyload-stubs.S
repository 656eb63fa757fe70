/*
 * Stubs of the functions of libraries that are loaded on demand, see lazyload.h. Run by every
 * process that calls them. The linker takes a stub for the function; it jumps to the address in
 * its slot and leaves all arguments as they are. Makefile makes the lists (lazyload-openssl.h,
 * lazyload-pam.h): functions that the objects need and the library has.
 *
 * The slots are in memory that is read-only after relocation. The names are hidden from other
 * objects: a library must find its own functions, not the stubs.
 */

#ifdef __CET__
#include <cet.h>	/* also marks the object for the linker */
#else
#define _CET_ENDBR
#endif

#if defined(__x86_64__)
#define JUMP_BY(slot)	_CET_ENDBR; jmp *(slot + 8)(%rip)
#elif defined(__aarch64__)
#define JUMP_BY(slot)	hint 34; adrp x16, slot + 8; ldr x16, [x16, :lo12:slot + 8]; br x16
#else
#error "no stub is known for this processor: use make LAZYLOAD="
#endif

#define STUB(name) \
	.section .rodata.str1.1, "aMS", %progbits, 1; \
0:	.asciz #name; \
	.section .data.rel.ro, "aw", %progbits; \
1:	.quad 0b, lazyload_missing; \
	.text; \
	.p2align 4; \
	.globl name; \
	.hidden name; \
	.type name, %function; \
name:	JUMP_BY(1b); \
	.size name, . - name

#define BOUND(name) \
	.section .data.rel.ro, "aw", %progbits; \
	.p2align 3; \
	.globl name; \
	.hidden name; \
name:

BOUND(lazyload_openssl_first)
#include "lazyload-openssl.h"
BOUND(lazyload_openssl_end)

BOUND(lazyload_pam_first)
#include "lazyload-pam.h"
BOUND(lazyload_pam_end)

	.section .note.GNU-stack, "", %progbits
