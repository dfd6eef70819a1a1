package dev.perseid.inference;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;

/// Finds `<tool_call>{..}</tool_call>` in the text of an answer. What is no call stays text. Not
/// safe for several threads.
final class ToolCalls {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String OPEN = "<tool_call>";
  private static final String CLOSE = "</tool_call>";

  /// @param arguments a JSON object
  record Call(String name, String arguments) {}

  private final boolean wanted;
  private final StringBuilder held = new StringBuilder();
  private final List<Call> calls = new ArrayList<>();
  private boolean inside;

  /// @param wanted whether there may be calls at all
  /// @param inside whether the text begins within a call
  ToolCalls(boolean wanted, boolean inside) {
    this.wanted = wanted;
    this.inside = inside;
  }

  /// The calls found so far.
  List<Call> calls() {
    return calls;
  }

  /// Adds text.
  ///
  /// @return text outside of calls
  String add(String text) {
    if (!wanted) {
      return text;
    }
    held.append(text);
    StringBuilder out = new StringBuilder();
    while (true) {
      if (inside) {
        int close = held.indexOf(CLOSE);
        if (close < 0) {
          break;
        }
        call(held.substring(0, close), CLOSE, out);
        held.delete(0, close + CLOSE.length());
        inside = false;
      } else {
        int open = held.indexOf(OPEN);
        if (open < 0) {
          int keep = 0;
          for (int n = Math.min(OPEN.length() - 1, held.length()); n > keep; n--) {
            if (OPEN.startsWith(held.substring(held.length() - n))) {
              keep = n;
            }
          }
          outside(held.substring(0, held.length() - keep), out);
          held.delete(0, held.length() - keep);
          break;
        }
        outside(held.substring(0, open), out);
        held.delete(0, open + OPEN.length());
        inside = true;
      }
    }
    return out.toString();
  }

  /// The text is at its end.
  String end() {
    StringBuilder out = new StringBuilder();
    if (inside) {
      call(held.toString(), "", out);
    } else {
      outside(held.toString(), out);
    }
    held.setLength(0);
    inside = false;
    return out.toString();
  }

  private void outside(String text, StringBuilder out) {
    // Blanks between calls are none of an answer.
    if (calls.isEmpty() || !text.isBlank()) {
      out.append(text);
    }
  }

  private void call(String text, String close, StringBuilder out) {
    try {
      JsonNode node = JSON.readTree(text);
      JsonNode arguments = node == null ? null : node.path("arguments");
      if (node != null && arguments != null && node.path("name").isTextual()) {
        calls.add(
            new Call(
                node.get("name").textValue(),
                arguments.isTextual()
                    ? arguments.textValue()
                    : arguments.isMissingNode() ? "{}" : arguments.toString()));
        return;
      }
    } catch (JsonProcessingException e) {
      // It stays text.
    }
    out.append(OPEN).append(text).append(close);
  }
}
