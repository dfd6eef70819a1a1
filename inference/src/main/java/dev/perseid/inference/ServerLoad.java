package dev.perseid.inference;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalInt;

/// How much a server has to do, from its own metrics (Prometheus text format 0.0.4).
///
/// @param running requests that it answers now
/// @param waiting requests that wait in it
/// @param cachePermille how full its key-value cache is, in thousandths; 0 if it does not say
record ServerLoad(int running, int waiting, int cachePermille) {
  /// Reads the metrics of vLLM, SGLang, llama-server and TGI; empty if they are none of these.
  static Optional<ServerLoad> read(byte[] metrics) {
    double running = 0;
    double waiting = 0;
    double cache = 0;
    boolean found = false;
    for (String line : new String(metrics, StandardCharsets.UTF_8).lines().toList()) {
      if (line.isEmpty() || line.charAt(0) == '#') {
        continue;
      }
      int labels = line.indexOf('{');
      int space = line.indexOf(' ');
      String name =
          line.substring(
              0, labels >= 0 && (space < 0 || labels < space) ? labels : Math.max(space, 0));
      switch (name) {
        case "vllm:num_requests_running",
            "sglang:num_running_reqs",
            "llamacpp:requests_processing",
            "tgi_batch_current_size" -> {
          running += value(line);
          found = true;
        }
        case "vllm:num_requests_waiting",
            "sglang:num_queue_reqs",
            "llamacpp:requests_deferred",
            "tgi_queue_size" -> {
          waiting += value(line);
          found = true;
        }
        case "vllm:kv_cache_usage_perc",
            "vllm:gpu_cache_usage_perc",
            "sglang:token_usage",
            "llamacpp:kv_cache_usage_ratio" ->
            cache = Math.max(cache, value(line));
        default -> {}
      }
    }
    return found
        ? Optional.of(
            new ServerLoad(
                count(running), count(waiting), (int) Math.clamp(cache * 1_000, 0.0, 1_000.0)))
        : Optional.empty();
  }

  /// How many requests a llama-server answers at once, from its properties (`GET /props`).
  static OptionalInt slots(byte[] props) {
    try {
      JsonNode root = JsonBytes.MAPPER.readTree(props);
      JsonNode slots = root == null ? null : root.get("total_slots");
      return slots != null && slots.isInt() && slots.intValue() >= 1
          ? OptionalInt.of(slots.intValue())
          : OptionalInt.empty();
    } catch (IOException e) {
      return OptionalInt.empty();
    }
  }

  private static int count(double value) {
    return (int) Math.clamp(value, 0.0, 1e6);
  }

  /// The number after the name and its labels; a time may follow it.
  private static double value(String line) {
    int labels = line.lastIndexOf('}');
    int space = line.indexOf(' ');
    String rest = line.substring(labels >= 0 ? labels + 1 : Math.max(space, 0)).strip();
    int end = rest.indexOf(' ');
    String number = end < 0 ? rest : rest.substring(0, end);
    try {
      double value = Double.parseDouble(number);
      return Double.isFinite(value) ? value : 0;
    } catch (NumberFormatException e) {
      return 0;
    }
  }
}
