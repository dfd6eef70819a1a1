package dev.perseid.gateway;

import dev.perseid.core.Hash;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// One request of a client, as routes see it.
final class Inbound {
  private static final byte[] NOTHING = new byte[0];

  private final String id;
  private final String method;
  private final String path;
  private final String uri;
  private final HttpHeaders headers;
  private final long arrivedNs;
  private Map<String, String> variables = Map.of();
  private byte[] body = NOTHING;
  private @Nullable Hash signedBody;
  private @Nullable Shelf shelf;
  private Market.@Nullable Caller caller;
  private @Nullable Till till;

  Inbound(String id, String method, String uri, HttpHeaders headers, long arrivedNs) {
    this.id = id;
    this.method = method;
    this.uri = uri;
    int question = uri.indexOf('?');
    this.path = question < 0 ? uri : uri.substring(0, question);
    this.headers = headers;
    this.arrivedNs = arrivedNs;
  }

  void bind(Map<String, String> variables) {
    this.variables = variables;
  }

  void body(byte[] body) {
    this.body = body;
  }

  void shelf(Shelf shelf) {
    this.shelf = shelf;
  }

  void caller(Market.Caller caller) {
    this.caller = caller;
  }

  /// The body must have this SHA-256: its caller signed it.
  void signedBody(Hash hash) {
    this.signedBody = hash;
  }

  /// Whether the body is the one that was signed, where one was.
  boolean isBodyAsSigned() {
    return signedBody == null || signedBody.equals(Hash.sha256(body));
  }

  /// It shows no key: it pays for itself, or is told how.
  void payAt(Till open) {
    this.till = open;
  }

  /// Where it pays, if it shows no key or brings a payment.
  Optional<Till> till() {
    return Optional.ofNullable(till);
  }

  /// The request's name: `req_` and 24 letters and digits, unique.
  String id() {
    return id;
  }

  String method() {
    return method;
  }

  /// Path and query, exactly as they came.
  String target() {
    return uri;
  }

  /// The path without its query, not decoded.
  String path() {
    return path;
  }

  long arrivedNs() {
    return arrivedNs;
  }

  /// A variable of the route's pattern, decoded.
  String variable(String name) {
    String value = variables.get(name);
    if (value == null) {
      throw new IllegalArgumentException("the route has no variable " + name);
    }
    return value;
  }

  /// A parameter of the query.
  Optional<String> query(String name) {
    List<String> values = new QueryStringDecoder(uri).parameters().get(name);
    return values == null || values.isEmpty() ? Optional.empty() : Optional.of(values.getFirst());
  }

  /// A header's first value.
  Optional<String> header(String name) {
    return Optional.ofNullable(headers.get(name));
  }

  /// All headers.
  HttpHeaders headers() {
    return headers;
  }

  /// The whole body; not to be changed.
  byte[] body() {
    return body;
  }

  /// What there is to ask for.
  Shelf shelf() {
    if (shelf == null) {
      throw new IllegalStateException("the request has not been routed");
    }
    return shelf;
  }

  /// Who asks.
  ///
  /// @throws IllegalStateException on a route that needs no key
  Market.Caller caller() {
    if (caller == null) {
      throw new IllegalStateException("an open route knows no caller");
    }
    return caller;
  }

  /// A number that keeps the requests of one account together; 0 where nobody is known.
  long turn() {
    return caller == null ? 0 : caller.account().a();
  }

  boolean isKnown() {
    return caller != null;
  }
}
