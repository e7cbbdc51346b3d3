/* pause : holds the namespaces of a pod open, and is PID 1 of a test node. Reaps orphans, ends on TERM or INT. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    sigset_t all;
    int number;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);         /* everything arrives through sigwait: no handler, no race */
    while (sigwait(&all, &number) == 0) {
        if (number == SIGTERM || number == SIGINT) return 0;
        if (number == SIGCHLD)
            while (waitpid(-1, NULL, WNOHANG) > 0) {}
    }
    return 1;
}
