package dev.perseid.node;

import dev.perseid.core.Hash;
import io.helidon.http.HeaderNames;
import io.helidon.http.HttpPrologue;
import io.helidon.http.Method;
import io.helidon.http.Status;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The HTTP routes of the pool's port. Each is registered behind its rule: a page whose route has
/// none keeps the pool from starting. Errors have a status and one line of text.
final class Pages {
  /// Somebody at a page.
  ///
  /// @param session who it is; null only where the rule is open
  /// @param signedBody SHA-256 that the body must have, if that was signed
  record Visit(Sessions.@Nullable Session session, Optional<Hash> signedBody) {
    Sessions.Session known() {
      if (session == null) {
        throw new IllegalStateException("an open page knows nobody");
      }
      return session;
    }
  }

  /// Answers.
  interface Handler {
    void on(Visit visit, ServerRequest req, ServerResponse res) throws Exception;
  }

  /// A route and who answers it.
  record Page(String method, String path, Handler handler) {
    String route() {
      return method + " " + path;
    }
  }

  private Pages() {}

  static HttpRouting.Builder routing(List<Page> pages, Entrance entrance) {
    HttpRouting.Builder routing = HttpRouting.builder();
    for (Page page : pages) {
      Access.Rule rule = Access.rule(Access.Port.PAGES, page.route());
      routing.route(
          Method.create(page.method()),
          page.path(),
          (req, res) -> {
            Visit visit =
                rule.open() ? new Visit(null, Optional.empty()) : admit(entrance, rule, req, res);
            if (visit != null) {
              page.handler().on(visit, req, res);
            }
          });
    }
    return routing;
  }

  private static @Nullable Visit admit(
      Entrance entrance, Access.Rule rule, ServerRequest req, ServerResponse res) {
    HttpPrologue line = req.prologue();
    String query = line.query().rawValue();
    String target = line.uriPath().rawPath() + (query.isEmpty() ? "" : "?" + query);
    String authorization = req.headers().first(HeaderNames.AUTHORIZATION).orElse("");
    switch (entrance.admit(
        rule, authorization, line.method().text(), target, req.remotePeer().host())) {
      case Entrance.Admission.In(Sessions.Session session, Optional<Hash> body) -> {
        boolean bodiless = !line.method().text().startsWith("P");
        if (bodiless && body.isPresent() && !body.get().equals(Hash.EMPTY_BLOB)) {
          nobody(res, "the body is not the one that was signed: there is none");
          return null;
        }
        return new Visit(session, body);
      }
      case Entrance.Admission.Nobody(String why) -> nobody(res, why);
      case Entrance.Admission.Forbidden(String why) -> say(res, 403, why);
      case Entrance.Admission.TooOften(String why) -> say(res, 429, why);
    }
    return null;
  }

  static void nobody(ServerResponse res, String why) {
    res.header(HeaderNames.WWW_AUTHENTICATE, "Bearer");
    say(res, 401, why);
  }

  static void say(ServerResponse res, int status, String line) {
    res.status(Status.create(status))
        .header(HeaderNames.CONTENT_TYPE, "text/plain; charset=utf-8")
        .send(line + "\n");
  }
}
