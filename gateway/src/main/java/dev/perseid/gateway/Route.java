package dev.perseid.gateway;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A method and a pattern of paths that a dialect answers.
final class Route {
  /// Answers a request. Runs on the connection's event loop: it must not block.
  interface Action {
    Reply on(Inbound in) throws Problem;
  }

  private static final Optional<Map<String, String>> NOTHING_TO_BIND = Optional.of(Map.of());

  private final String method;
  private final String pattern;
  private final List<String> segments;
  private final boolean open;
  private final boolean priced;
  private final Action action;

  private Route(String method, String pattern, boolean open, boolean priced, Action action) {
    this.method = method;
    this.pattern = pattern;
    this.segments = split(pattern);
    this.open = open;
    this.priced = priced;
    this.action = action;
  }

  /// A route that needs a key.
  ///
  /// @param method `GET`, `POST`, ...
  /// @param pattern a path such as `/v1/models/{id...}`: `{x}` stands for one segment, `{x...}` for
  ///   one or more (segments may follow it)
  static Route of(String method, String pattern, Action action) {
    return new Route(method, pattern, false, false, action);
  }

  /// A route to models: it needs a key, or a payment that comes with the request.
  static Route priced(String method, String pattern, Action action) {
    return new Route(method, pattern, false, true, action);
  }

  /// A route that needs no key: it spends nothing and tells nothing about anybody.
  static Route open(String method, String pattern, Action action) {
    return new Route(method, pattern, true, false, action);
  }

  String method() {
    return method;
  }

  /// Whether one path only fits.
  boolean isExact() {
    return pattern.indexOf('{') < 0;
  }

  String pattern() {
    return pattern;
  }

  boolean isOpen() {
    return open;
  }

  boolean isPriced() {
    return priced;
  }

  Action action() {
    return action;
  }

  /// The pattern's variables, percent-decoded, if the path fits.
  Optional<Map<String, String>> match(String path) {
    if (path.equals(pattern)) {
      return NOTHING_TO_BIND;
    }
    if (isExact()) {
      return Optional.empty();
    }
    Map<String, String> found = new HashMap<>();
    return fits(0, split(path), 0, found) ? Optional.of(found) : Optional.empty();
  }

  private boolean fits(int at, List<String> path, int from, Map<String, String> found) {
    if (at == segments.size()) {
      return from == path.size();
    }
    if (from == path.size()) {
      return false;
    }
    String wanted = segments.get(at);
    if (wanted.startsWith("{") && wanted.endsWith("...}")) {
      String name = wanted.substring(1, wanted.length() - 4);
      // The longest first; the number of segments of a path is bounded with its length.
      for (int to = path.size(); to > from; to--) {
        if (fits(at + 1, path, to, found)) {
          found.put(name, decoded(String.join("/", path.subList(from, to))));
          return true;
        }
      }
      return false;
    }
    String segment = path.get(from);
    if (wanted.startsWith("{")) {
      if (segment.isEmpty() || !fits(at + 1, path, from + 1, found)) {
        return false;
      }
      found.put(wanted.substring(1, wanted.length() - 1), decoded(segment));
      return true;
    }
    return wanted.equals(segment) && fits(at + 1, path, from + 1, found);
  }

  private static List<String> split(String path) {
    List<String> out = new ArrayList<>();
    int from = path.startsWith("/") ? 1 : 0;
    for (int to = path.indexOf('/', from); to >= 0; to = path.indexOf('/', from)) {
      out.add(path.substring(from, to));
      from = to + 1;
    }
    out.add(path.substring(from));
    return out;
  }

  /// Percent-decodes; what is no valid escape stays as it is.
  private static String decoded(String text) {
    if (text.indexOf('%') < 0) {
      return text;
    }
    byte[] in = text.getBytes(StandardCharsets.UTF_8);
    byte[] out = new byte[in.length];
    int n = 0;
    for (int i = 0; i < in.length; i++) {
      if (in[i] == '%' && i + 2 < in.length) {
        int high = Character.digit(in[i + 1], 16);
        int low = Character.digit(in[i + 2], 16);
        if (high >= 0 && low >= 0) {
          out[n++] = (byte) (high << 4 | low);
          i += 2;
          continue;
        }
      }
      out[n++] = in[i];
    }
    return new String(out, 0, n, StandardCharsets.UTF_8);
  }
}
