package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// The headers of x402, version 2, over HTTP: what may be paid, what is paid, and what came of it.
/// Each is base64 of a JSON object. `docs/x402.md` describes them.
final class PaymentHeaders {
  /// What may be paid, in an answer 402.
  static final String REQUIRED = "payment-required";

  /// A payment, in a request.
  static final String SIGNATURE = "payment-signature";

  /// What came of a payment, in an answer.
  static final String RESPONSE = "payment-response";

  /// The scheme of [Till.Way.Exact].
  static final String EXACT = "exact";

  /// The scheme of [Till.Way.Vouchers].
  static final String VOUCHER = "perseid-voucher";

  private static final int VERSION = 2;

  private PaymentHeaders() {}

  /// A payment and what its sender agreed to.
  ///
  /// @param way how it pays, one of those that are open
  /// @param agreed the most that the request may cost, fee included
  /// @param payment what it pays with
  record Sent(Till.Way way, long agreed, Till.Payment payment) {}

  private static String scheme(Till.Way way) {
    return switch (way) {
      case Till.Way.Exact _ -> EXACT;
      case Till.Way.Vouchers _ -> VOUCHER;
    };
  }

  // ---- writing --------------------------------------------------------------------------------

  /// The header of an answer 402.
  ///
  /// @param error x402's word for what was wrong with a payment, or that there was none
  /// @param url what was asked for
  /// @param model whose answer it is
  /// @param type of an answer's body
  /// @param ways those that are open
  /// @param price the most that the request may cost, without a way's fee
  /// @param refusal of a payment, if there was one
  static Map.Entry<String, String> required(
      String error,
      String url,
      String model,
      String type,
      List<Till.Way> ways,
      long price,
      @Nullable Sent sent,
      Till.@Nullable Refusal refusal) {
    ObjectNode out = Json.object();
    out.put("x402Version", VERSION);
    out.put("error", error);
    int semicolon = type.indexOf(';');
    out.putObject("resource")
        .put("url", url)
        .put(
            "description",
            "An answer of " + Problem.shown(model) + "; what is not used is not charged")
        .put("mimeType", semicolon < 0 ? type : type.substring(0, semicolon));
    ArrayNode accepts = out.putArray("accepts");
    for (Till.Way way : ways) {
      ObjectNode one = accepts.addObject();
      one.put("scheme", scheme(way));
      one.put("network", way.network());
      one.put("amount", Long.toString(sum(price, way.fee())));
      one.put("asset", way.asset());
      one.put("payTo", way.payTo().toString());
      switch (way) {
        case Till.Way.Exact exact -> {
          one.put("maxTimeoutSeconds", exact.seconds());
          ObjectNode extra = one.putObject("extra");
          extra.put("name", exact.name());
          extra.put("version", exact.version());
          extra.put("assetTransferMethod", "eip3009");
          extra.put("paymentFlow", "upfront");
          extra.put("fee", Long.toString(exact.fee()));
        }
        case Till.Way.Vouchers vouchers -> {
          one.put("maxTimeoutSeconds", GatewayLimits.PAYMENT_S);
          ObjectNode extra = one.putObject("extra");
          extra.put("name", "Perseid");
          extra.put("version", "1");
          extra.put("chainId", Long.toString(vouchers.chainId()));
          extra.put("verifyingContract", vouchers.contract().toString());
          extra.put("pool", vouchers.payTo().toString());
          if (sent != null && refusal != null && sent.way().equals(way)) {
            if (refusal.spent().isPresent() && refusal.least().isPresent()) {
              extra.put("consumer", sent.payment().payer().toString());
              extra.put("spentAmount", Long.toString(refusal.spent().getAsLong()));
              extra.put("leastCumulative", Long.toString(refusal.least().getAsLong()));
            }
          }
        }
      }
    }
    out.putObject("extensions");
    return Map.entry("PAYMENT-REQUIRED", base64(out));
  }

  static long sum(long a, long b) {
    return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
  }

  /// The header of an answer that was paid for.
  ///
  /// @param charge what the request cost, once it is known; the rest of what was paid comes back
  static Map.Entry<String, String> response(Sent sent, Till.Paid paid, OptionalLong charge) {
    ObjectNode out = Json.object();
    out.put("success", true);
    out.put("transaction", paid.transaction());
    out.put("network", sent.way().network());
    out.put("payer", sent.payment().payer().toString());
    ObjectNode extra = Json.object();
    switch (sent.way()) {
      case Till.Way.Exact exact -> {
        long settled = paid.settled().orElse(0);
        out.put("amount", Long.toString(settled));
        extra.put("fee", Long.toString(exact.fee()));
        if (charge.isPresent()) {
          long cost = charge.getAsLong();
          extra.put("chargedAmount", Long.toString(cost));
          extra.put("returnedAmount", Long.toString(Math.max(0, settled - exact.fee() - cost)));
        }
      }
      case Till.Way.Vouchers _ -> {
        if (charge.isPresent()) {
          out.put("amount", Long.toString(charge.getAsLong()));
          extra.put("chargedAmount", Long.toString(charge.getAsLong()));
        }
        OptionalLong spent = paid.spent();
        if (spent.isPresent()) {
          extra.put("spentAmount", Long.toString(spent.getAsLong()));
        }
        if (sent.payment() instanceof Till.Payment.Voucher voucher) {
          extra.put("cumulative", Long.toString(voucher.cumulative()));
        }
      }
    }
    extra.put("maxAmount", Long.toString(sent.agreed()));
    out.set("extra", extra);
    return Map.entry("PAYMENT-RESPONSE", base64(out));
  }

  /// The header of an answer to a payment that was sent off and failed.
  static Map.Entry<String, String> failed(Sent sent, Till.Refusal refusal) {
    ObjectNode out = Json.object();
    out.put("success", false);
    out.put("errorReason", refusal.reason());
    out.put("errorMessage", refusal.text());
    out.put("transaction", "");
    out.put("network", sent.way().network());
    out.put("payer", sent.payment().payer().toString());
    return Map.entry("PAYMENT-RESPONSE", base64(out));
  }

  private static String base64(JsonNode json) {
    return Base64.getEncoder().encodeToString(Json.bytes(json));
  }

  // ---- reading --------------------------------------------------------------------------------

  /// The payment in a request's header.
  ///
  /// @param ways those that are open
  /// @throws Problem 400 if it is malformed; 402 with x402's word as its code if it pays in another
  ///   way than those
  static Sent read(String header, List<Till.Way> ways) throws Problem {
    if (header.length() > GatewayLimits.PAYMENT_CHARS) {
      throw new Problem(
          Problem.Kind.HEADER_TOO_LARGE,
          "The header PAYMENT-SIGNATURE must not exceed " + GatewayLimits.PAYMENT_CHARS + " bytes.",
          "payment_too_large");
    }
    JsonNode json = json(header);
    if (!json.path("x402Version").isInt() || json.path("x402Version").intValue() != VERSION) {
      throw wrong(
          "invalid_x402_version",
          "This gateway speaks x402 version 2; the payment says version "
              + Problem.shown(json.path("x402Version").asText("none"))
              + ".");
    }
    JsonNode accepted = json.path("accepted");
    JsonNode payload = json.path("payload");
    if (!accepted.isObject() || !payload.isObject()) {
      throw malformed("'accepted' and 'payload' must be objects");
    }
    Till.Way way = way(accepted, ways);
    long agreed =
        amount(accepted, "amount")
            .orElseThrow(() -> malformed("'accepted.amount' must be digits in a string"));
    Till.Payment payment =
        switch (way) {
          case Till.Way.Exact _ -> exact(payload);
          case Till.Way.Vouchers _ -> voucher(payload);
        };
    return new Sent(way, agreed, payment);
  }

  private static JsonNode json(String header) throws Problem {
    byte[] bytes;
    try {
      bytes = Base64.getDecoder().decode(header.strip());
    } catch (IllegalArgumentException e) {
      throw malformed("it is not base64");
    }
    try {
      JsonNode node = Json.MAPPER.readTree(bytes);
      if (node != null && node.isObject()) {
        return node;
      }
      throw malformed("it is base64, but not of a JSON object");
    } catch (IOException e) {
      throw malformed("it is base64, but not of JSON");
    }
  }

  private static Till.Way way(JsonNode accepted, List<Till.Way> ways) throws Problem {
    String scheme = accepted.path("scheme").asText("");
    String network = accepted.path("network").asText("");
    String asset = accepted.path("asset").asText("");
    String payTo = accepted.path("payTo").asText("");
    List<Till.Way> left = ways.stream().filter(w -> scheme(w).equals(scheme)).toList();
    if (left.isEmpty()) {
      throw wrong(
          "unsupported_scheme",
          "The scheme '" + Problem.shown(scheme) + "' is not taken here. See PAYMENT-REQUIRED.");
    }
    left = left.stream().filter(w -> w.network().equals(network)).toList();
    if (left.isEmpty()) {
      throw wrong(
          "invalid_network",
          "The network '" + Problem.shown(network) + "' is not one of those in PAYMENT-REQUIRED.");
    }
    left = left.stream().filter(w -> w.asset().equalsIgnoreCase(asset)).toList();
    if (left.isEmpty()) {
      throw wrong(
          "invalid_payment_requirements",
          "The asset '" + Problem.shown(asset) + "' is not the one in PAYMENT-REQUIRED.");
    }
    left = left.stream().filter(w -> w.payTo().toString().equalsIgnoreCase(payTo)).toList();
    if (left.isEmpty()) {
      throw wrong(
          scheme.equals(EXACT)
              ? "invalid_exact_evm_payload_recipient_mismatch"
              : "invalid_payment_requirements",
          "'payTo' is not the one in PAYMENT-REQUIRED: " + Problem.shown(payTo) + ".");
    }
    return left.getFirst();
  }

  private static Till.Payment exact(JsonNode payload) throws Problem {
    JsonNode a = payload.path("authorization");
    if (!a.isObject()) {
      throw malformed("'payload.authorization' must be an object (EIP-3009)");
    }
    return new Till.Payment.Exact(
        address(a, "from"),
        address(a, "to"),
        amount(a, "value").orElseThrow(() -> malformed("'value' must be digits in a string")),
        amount(a, "validAfter")
            .orElseThrow(() ->
                wrong(
                    "invalid_exact_evm_payload_authorization_valid_after",
                    "'validAfter' must be seconds since 1970, in a string.")),
        amount(a, "validBefore")
            .orElseThrow(() ->
                wrong(
                    "invalid_exact_evm_payload_authorization_valid_before",
                    "'validBefore' must be seconds since 1970, below 2^63, in a string.")),
        hash(a, "nonce"),
        signature(payload));
  }

  private static Till.Payment voucher(JsonNode payload) throws Problem {
    JsonNode v = payload.path("voucher");
    if (!v.isObject()) {
      throw malformed("'payload.voucher' must be an object");
    }
    return new Till.Payment.Voucher(
        address(v, "consumer"),
        address(v, "pool"),
        amount(v, "cumulative")
            .orElseThrow(() -> malformed("'cumulative' must be digits in a string")),
        signature(payload));
  }

  private static Address address(JsonNode in, String field) throws Problem {
    String text = in.path(field).asText("");
    try {
      return Address.parse(text);
    } catch (IllegalArgumentException e) {
      throw malformed("'" + field + "' must be an address: 0x and 40 hexadecimal digits");
    }
  }

  private static Hash hash(JsonNode in, String field) throws Problem {
    String text = in.path(field).asText("");
    if (!text.matches("0x[0-9a-fA-F]{64}")) {
      throw malformed("'" + field + "' must be 0x and 64 hexadecimal digits");
    }
    return Hash.parse(text);
  }

  private static String signature(JsonNode payload) throws Problem {
    String text = payload.path("signature").asText("");
    if (!text.matches("0x([0-9a-fA-F]{2}){1," + GatewayLimits.SIGNATURE_DIGITS / 2 + "}")) {
      throw malformed("'payload.signature' must be 0x and hexadecimal digits");
    }
    return text.substring(2).toLowerCase(Locale.ROOT);
  }

  /// Digits in a string, below 2^63.
  private static Optional<Long> amount(JsonNode in, String field) {
    JsonNode node = in.path(field);
    if (!node.isTextual() || !node.textValue().matches("[0-9]{1,19}")) {
      return Optional.empty();
    }
    try {
      return Optional.of(Long.parseLong(node.textValue()));
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }

  private static Problem malformed(String what) {
    return new Problem(
        Problem.Kind.INVALID,
        "The header PAYMENT-SIGNATURE is malformed: " + what + ". See docs/x402.md.",
        "payment-signature",
        "invalid_payload",
        OptionalLong.empty());
  }

  private static Problem wrong(String reason, String text) {
    return new Problem(Problem.Kind.UNPAID, text, reason);
  }

  /// What was asked for, as its client sees it.
  static String url(boolean encrypted, Inbound in) {
    String host = in.header("host").orElse("localhost");
    return (encrypted ? "https://" : "http://") + host + in.path();
  }
}
