package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;

/// What a route makes of a request.
sealed interface Reply {
  /// An answer that the gateway gives itself, at once.
  final class Whole implements Reply {
    private final int status;
    private final String contentType;
    private final byte[] body;
    private final List<Map.Entry<String, String>> headers;

    /// @param status HTTP status
    /// @param contentType of the body
    /// @param body not copied
    /// @param headers further ones
    Whole(int status, String contentType, byte[] body, List<Map.Entry<String, String>> headers) {
      this.status = status;
      this.contentType = contentType;
      this.body = body;
      this.headers = List.copyOf(headers);
    }

    /// JSON without further headers.
    static Whole json(int status, byte[] body) {
      return new Whole(status, "application/json", body, List.of());
    }

    /// JSON without further headers.
    static Whole json(int status, JsonNode body) {
      return json(status, Json.bytes(body));
    }

    int status() {
      return status;
    }

    String contentType() {
      return contentType;
    }

    byte[] body() {
      return body;
    }

    List<Map.Entry<String, String>> headers() {
      return headers;
    }
  }

  /// A request to a model.
  ///
  /// @param call what is asked
  /// @param renderer what the client gets to see of the answer
  record Asked(Call call, Renderer renderer) implements Reply {}
}
