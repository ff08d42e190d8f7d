/** Names of environment variables under which a sandbox may hold what stands for a secret. */

const listed = (names: string) => names.split(/\s+/).filter((name) => name !== "");

/** What shells, the linker, interpreters and the sandbox itself go by: another value in it breaks the sandbox. */
const taken = new Set(
  listed(`
    PATH HOME SHELL USER LOGNAME PWD OLDPWD TERM LANG LANGUAGE TZ TMPDIR HOSTNAME IFS ENV CDPATH SHLVL UID EUID PPID GROUPS
    SHELLOPTS BASHOPTS BASHPID PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 POSIXLY_CORRECT OPTIND OPTARG RANDOM SECONDS LINENO REPLY
    PIPESTATUS FUNCNAME DIRSTACK GLOBIGNORE EXECIGNORE
    GCONV_PATH LOCPATH HOSTALIASES RES_OPTIONS LOCALDOMAIN
    NODE_OPTIONS NODE_PATH NODE_USE_ENV_PROXY JAVA_TOOL_OPTIONS JAVA_HOME CLASSPATH GOFLAGS GOPROXY
    PYTHONPATH PYTHONHOME PYTHONSTARTUP PERL5LIB PERL5OPT RUBYLIB RUBYOPT
    SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS PIP_CERT AWS_CA_BUNDLE
    CARGO_HTTP_CAINFO DENO_CERT BUNDLE_SSL_CA_CERT NIX_SSL_CERT_FILE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH NPM_CONFIG_CAFILE
    YARN_HTTPS_CA_FILE_PATH UV_NATIVE_TLS
    GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_EXEC_PATH GIT_ASKPASS GIT_PROXY_COMMAND
  `),
);
const takenBeginnings = listed("LD_ DYLD_ BASH_ LC_ GLIBC_ MALLOC_ DROVER_ GIT_CONFIG GIT_SSH GIT_SSL_");

/** What is wrong with a name, or null. Programs heed some of these in small letters too. */
export function secretNameProblem(name: string): string | null {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name))
    return "must be the name of an environment variable: letters, digits and _, and no digit first, up to 255";
  const upper = name.toUpperCase();
  const isTaken =
    name === "_" ||
    taken.has(upper) ||
    upper.endsWith("_PROXY") ||
    takenBeginnings.some((beginning) => upper.startsWith(beginning));
  return isTaken
    ? `${name} is a variable that the sandbox, its shell or its programs need as it is: choose another name`
    : null;
}
