package dev.perseid.inference;

import java.net.URI;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/// How a server next door is reached, and what is taken from it at most.
///
/// @param base its address, `http` or `https`, e.g. `http://127.0.0.1:8000/v1`; without a path,
///   `/v1` is meant
/// @param key sent as `Authorization: Bearer`, if it wants one; read it from a file, never from an
///   argument
/// @param model the server's own name of the model, put in place of the consumer's
/// @param parallel requests that it answers at once, for [Backend#health()]; more are sent all the
///   same, up to `connections`
/// @param connections requests that are under way at once, at most; what comes beyond is `BUSY`
/// @param connectMs how long connecting may take
/// @param firstMs how long the first byte of an answer's body may take: the whole answer, where it
///   is no stream
/// @param idleMs how long an answer that has begun may be silent
/// @param answerMs how long a whole answer may take
/// @param answerBytes of a whole answer, at most
/// @param trust certificates in PEM that are trusted instead of the system's, for `https`
public record HttpSettings(
    URI base,
    Optional<String> key,
    String model,
    int parallel,
    int connections,
    int connectMs,
    int firstMs,
    int idleMs,
    int answerMs,
    int answerBytes,
    Optional<Path> trust) {
  /// @throws IllegalArgumentException if a value makes no sense; says which
  public HttpSettings {
    String scheme = base.getScheme() == null ? "" : base.getScheme().toLowerCase(Locale.ROOT);
    if (!scheme.equals("http") && !scheme.equals("https")) {
      throw new IllegalArgumentException(
          "the server's address must begin with http:// or https://, not be '" + base + "'");
    }
    if (base.getHost() == null || base.getRawUserInfo() != null || base.getRawQuery() != null) {
      throw new IllegalArgumentException(
          "the server's address must be like http://127.0.0.1:8000/v1, without user and query");
    }
    if (key.isPresent() && !key.get().matches("[\\x21-\\x7e]{1,4096}")) {
      throw new IllegalArgumentException(
          "the server's key must be 1 to 4096 visible characters; is its file the right one?");
    }
    if (model.isEmpty() || model.length() > 512) {
      throw new IllegalArgumentException("the model's name must have 1 to 512 characters");
    }
    if (parallel < 1 || connections < 1 || connections > 65_536) {
      throw new IllegalArgumentException("parallel and connections must be 1 to 65536");
    }
    if (connectMs < 1 || firstMs < 1 || idleMs < 1 || answerMs < 1 || answerBytes < 1) {
      throw new IllegalArgumentException("times and sizes must be at least 1");
    }
  }

  /// With times that suit a busy GPU: 5 s to connect, 120 s to the first byte, 30 s of silence, 15
  /// minutes and 64 MiB in all; 32 requests in parallel, 1,024 under way.
  public static HttpSettings of(URI base, String model) {
    return new HttpSettings(
        base,
        Optional.empty(),
        model,
        32,
        1_024,
        5_000,
        120_000,
        30_000,
        900_000,
        64 << 20,
        Optional.empty());
  }

  /// The same with a key.
  public HttpSettings withKey(String newKey) {
    return new HttpSettings(
        base,
        Optional.of(newKey),
        model,
        parallel,
        connections,
        connectMs,
        firstMs,
        idleMs,
        answerMs,
        answerBytes,
        trust);
  }

  /// The same with other numbers of requests.
  public HttpSettings withParallel(int newParallel, int newConnections) {
    return new HttpSettings(
        base,
        key,
        model,
        newParallel,
        newConnections,
        connectMs,
        firstMs,
        idleMs,
        answerMs,
        answerBytes,
        trust);
  }

  /// The same with other times.
  public HttpSettings withTimes(int newConnectMs, int newFirstMs, int newIdleMs, int newAnswerMs) {
    return new HttpSettings(
        base,
        key,
        model,
        parallel,
        connections,
        newConnectMs,
        newFirstMs,
        newIdleMs,
        newAnswerMs,
        answerBytes,
        trust);
  }

  /// The same with another size of an answer.
  public HttpSettings withAnswerBytes(int newAnswerBytes) {
    return new HttpSettings(
        base,
        key,
        model,
        parallel,
        connections,
        connectMs,
        firstMs,
        idleMs,
        answerMs,
        newAnswerBytes,
        trust);
  }

  /// The same with certificates to trust.
  public HttpSettings withTrust(Path pem) {
    return new HttpSettings(
        base,
        key,
        model,
        parallel,
        connections,
        connectMs,
        firstMs,
        idleMs,
        answerMs,
        answerBytes,
        Optional.of(pem));
  }

  boolean tls() {
    return base.getScheme().equalsIgnoreCase("https");
  }

  int port() {
    return base.getPort() >= 0 ? base.getPort() : tls() ? 443 : 80;
  }

  /// The path under which the calls of OpenAI stand, without a slash at its end.
  String path() {
    String path = base.getRawPath() == null ? "" : base.getRawPath();
    while (path.endsWith("/")) {
      path = path.substring(0, path.length() - 1);
    }
    return path.isEmpty() ? "/v1" : path;
  }

  /// The path under which the server's own pages stand.
  String root() {
    String path = path();
    return path.endsWith("/v1") ? path.substring(0, path.length() - 3) : path;
  }

  /// Without the key.
  @Override
  public String toString() {
    return "HttpSettings[" + base + ", model=" + model + "]";
  }
}
