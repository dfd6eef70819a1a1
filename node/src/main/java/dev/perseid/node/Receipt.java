package dev.perseid.node;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.util.TokenBuffer;
import dev.perseid.chain.Court;
import dev.perseid.chain.Dispute;
import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.MalformedException;
import dev.perseid.core.Report;
import dev.perseid.core.SignedBatch;
import dev.perseid.journal.Merkle;
import dev.perseid.journal.MerkleTree;
import dev.perseid.journal.RecordJson;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// A record that stands on its own: a JSON document that anybody can check offline, long after pool
/// and provider are gone.
///
/// It carries the entry's canonical bytes, the provider's signature of the batch with the path from
/// this record's digest to the batch's root, and the pool's signature of its log (a tree head) with
/// the path from this entry to the log's root. The readable fields are there for people; a receipt
/// whose readable fields differ from its bytes is wrong. Described in docs/protocol.md.
public final class Receipt {
  private static final int MAX_CHARS = 16 << 20;

  private static final JsonMapper JSON = new JsonMapper();

  static {
    JSON.getFactory()
        .setStreamReadConstraints(
            StreamReadConstraints.builder()
                .maxNestingDepth(16)
                .maxStringLength(MAX_CHARS)
                .maxDocumentLength(MAX_CHARS)
                .build());
  }

  /// What the check found.
  public sealed interface Check {
    /// Everything holds.
    ///
    /// @param entry what is proved
    /// @param pool who signed the log
    /// @param attestation one sentence on who vouches for the record
    record Verified(Entry entry, Address pool, String attestation) implements Check {}

    /// It proves nothing.
    ///
    /// @param reason what is wrong, in one sentence
    record Wrong(String reason) implements Check {}
  }

  /// A pool's signature of its log at some size.
  ///
  /// @param signature over EIP-712 `TreeHead(address pool,bytes32 root,uint64 size,uint64 timeUs)`
  record TreeHead(long size, Hash root, long timeUs, String signature) {}

  private Receipt() {}

  /// Writes a receipt as one line of JSON.
  ///
  /// @param canonical the entry's canonical bytes
  /// @param batch the batch that the entry names, if a provider signed it
  /// @param leaves the tree over the batch's digests, empty without a batch
  /// @param head the pool's signature of its log
  /// @param path from the entry to the head's root
  static String write(
      Entry entry,
      byte[] canonical,
      Optional<SignedBatch> batch,
      MerkleTree leaves,
      TreeHead head,
      List<Hash> path) {
    StringWriter text = new StringWriter();
    try (JsonGenerator out = JSON.getFactory().createGenerator(text)) {
      out.writeStartObject();
      out.writeNumberField("perseid_receipt", 1);
      out.writeFieldName("record");
      RecordJson.write(out, entry);
      out.writeStringField("entry", HexFormat.of().formatHex(canonical));
      if (entry.attestation() instanceof Entry.Attestation.Signed(long number, int position)) {
        SignedBatch b = batch.orElseThrow();
        out.writeObjectFieldStart("batch");
        out.writeNumberField("number", number);
        out.writeNumberField("position", position);
        out.writeNumberField("count", b.digests().size());
        out.writeStringField("root", leaves.root().hex());
        hashes(out, "path", leaves.path(position, leaves.size()));
        out.writeStringField("signature", b.signature());
        out.writeEndObject();
      }
      out.writeObjectFieldStart("log");
      out.writeStringField("pool", entry.record().pool().toString());
      out.writeNumberField("index", entry.index());
      out.writeNumberField("size", head.size());
      out.writeStringField("root", head.root().hex());
      out.writeNumberField("time_us", head.timeUs());
      hashes(out, "path", path);
      out.writeStringField("signature", head.signature());
      out.writeEndObject();
      out.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory cannot fail", e);
    }
    return text.toString();
  }

  private static void hashes(JsonGenerator out, String name, List<Hash> all) throws IOException {
    out.writeArrayFieldStart(name);
    for (Hash h : all) {
      out.writeString(h.hex());
    }
    out.writeEndArray();
  }

  /// What is wrong with a receipt.
  private static final class Broken extends Exception {
    Broken(String message) {
      super(message, null, false, false);
    }
  }

  /// Checks a receipt. Pure, offline, O(size of the document); about a millisecond.
  ///
  /// @param expectedPool the pool that must have signed it; empty to accept whichever pool the
  ///   record names (its address is in the answer)
  public static Check verify(String json, Optional<Address> expectedPool) {
    try {
      return check(json, expectedPool);
    } catch (Broken e) {
      return new Check.Wrong(String.valueOf(e.getMessage()));
    }
  }

  /// What a provider signed, in the form in which the contract `Dispute` takes it.
  public record Signed(ExecutionRecord record, Dispute.Batch batch) {}

  /// The record and its provider's signature. Of the pool it needs nothing: a receipt whose part
  /// `log` is missing or false will do.
  ///
  /// @throws IllegalArgumentException if it is no receipt, or the provider did not sign it; the
  ///   message says what is wrong, in one sentence
  public static Signed signed(String json) {
    try {
      JsonNode doc = document(json);
      Entry entry = entry(doc);
      if (!(entry.attestation() instanceof Entry.Attestation.Signed s)) {
        throw new Broken("it is stated by the pool alone: the provider signed nothing for it");
      }
      JsonNode batch = child(doc, "batch");
      batch(batch, entry.record(), s);
      return new Signed(
          entry.record(),
          new Dispute.Batch(
              hash(text(batch, "root"), "batch.root"),
              number(batch, "count"),
              s.position(),
              hashes(batch, "batch.path"),
              text(batch, "signature")));
    } catch (Broken e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }

  /// What the pool signed, in the form in which the contract `Court` takes it.
  ///
  /// @param head the pool's signature of its log
  /// @param where the entry stands in it
  public record Logged(Entry entry, Court.Statement.Signed head, Court.Inclusion where) {}

  /// The pool's signature of its log and the entry's place in it. Of the provider it needs nothing.
  ///
  /// @throws IllegalArgumentException if it is no receipt, or does not prove that the pool logged
  ///   the entry; the message says what is wrong, in one sentence
  public static Logged logged(String json) {
    try {
      JsonNode doc = document(json);
      Entry entry = entry(doc);
      return log(child(doc, "log"), entry, EntryCodec.encode(entry));
    } catch (Broken e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }

  private static Check check(String json, Optional<Address> expectedPool) throws Broken {
    JsonNode doc = document(json);
    Entry entry = entry(doc);
    byte[] canonical = EntryCodec.encode(entry);
    ExecutionRecord record = entry.record();
    if (expectedPool.isPresent() && !record.pool().equals(expectedPool.get())) {
      throw new Broken("it is of the pool " + record.pool() + ", not of " + expectedPool.get());
    }
    readable(doc, entry);
    charge(entry);
    log(child(doc, "log"), entry, canonical);
    String attestation =
        switch (entry.attestation()) {
          case Entry.Attestation.Signed s -> {
            batch(child(doc, "batch"), record, s);
            yield "signed by the provider " + record.provider() + ", countersigned by the pool";
          }
          case Entry.Attestation.PoolOnly _ ->
              "stated by the pool alone: the provider signed nothing for it";
        };
    return new Check.Verified(entry, record.pool(), attestation);
  }

  private static JsonNode document(String json) throws Broken {
    if (json.length() > MAX_CHARS) {
      throw new Broken("it is longer than " + MAX_CHARS + " characters");
    }
    JsonNode doc;
    try {
      doc = JSON.readTree(json);
    } catch (JsonProcessingException e) {
      throw new Broken("it is not JSON: " + e.getOriginalMessage());
    }
    if (doc == null || !doc.isObject() || number(doc, "perseid_receipt") != 1) {
      throw new Broken("it is not a Perseid receipt of version 1");
    }
    return doc;
  }

  private static Entry entry(JsonNode doc) throws Broken {
    byte[] canonical = bytes(text(doc, "entry"), "entry");
    Entry entry;
    try {
      entry = EntryCodec.decode(canonical);
    } catch (MalformedException e) {
      throw new Broken("its entry cannot be read: " + e.getMessage());
    }
    if (!java.util.Arrays.equals(EntryCodec.encode(entry), canonical)) {
      throw new Broken("its entry is not in canonical form");
    }
    return entry;
  }

  private static void readable(JsonNode doc, Entry entry) throws Broken {
    JsonNode expected;
    try (TokenBuffer out = new TokenBuffer(JSON, false)) {
      RecordJson.write(out, entry);
      // By way of text, so that numbers have the type that reading gives them.
      expected = JSON.readTree(JSON.writeValueAsString(JSON.readTree(out.asParser())));
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory cannot fail", e);
    }
    JsonNode shown = child(doc, "record");
    if (!shown.equals(expected)) {
      for (var field : expected.properties()) {
        if (!field.getValue().equals(shown.get(field.getKey()))) {
          throw new Broken(
              "its readable field '" + field.getKey() + "' differs from the signed bytes");
        }
      }
      throw new Broken("it has readable fields that the signed bytes do not have");
    }
  }

  /// What a record may cost at all. How much follows from the offer that it names, which is not
  /// here; but a pool can make records on its own word, and those prove no debt.
  private static void charge(Entry entry) throws Broken {
    ExecutionRecord r = entry.record();
    if (r.charge() == 0) {
      return;
    }
    if (entry.attestation() instanceof Entry.Attestation.PoolOnly) {
      throw new Broken(
          "it costs "
              + r.charge()
              + " microcredits, and its provider signed nothing for it: such a record costs nothing");
    }
    boolean done =
        switch (r.outcome()) {
          case DONE -> true;
          case TASK_FAILED -> r.inference().isEmpty();
          case CANCELLED ->
              r.inference().isPresent()
                  ? r.inference().get().completionTokens() > 0
                  : r.reason().equals(Report.STOPPED);
          case PROVIDER_FAILED, LOST, REFUSED -> false;
        };
    if (!done) {
      throw new Broken(
          "it costs "
              + r.charge()
              + " microcredits, and what ended as it did ("
              + r.outcome()
              + (r.reason().isEmpty() ? "" : ": " + r.reason())
              + ") costs nothing");
    }
  }

  private static Logged log(JsonNode log, Entry entry, byte[] canonical) throws Broken {
    Address pool = entry.record().pool();
    long index = number(log, "index");
    long size = number(log, "size");
    long timeUs = number(log, "time_us");
    Hash root = hash(text(log, "root"), "log.root");
    if (!text(log, "pool").equals(pool.toString()) || index != entry.index()) {
      throw new Broken("its log's pool or index differs from the entry's");
    }
    Hash leaf = Merkle.leafHash(canonical);
    List<Hash> path = hashes(log, "log.path");
    if (!Merkle.verify(leaf, index, size, path, root)) {
      throw new Broken("the entry is not in the pool's log: the inclusion proof does not hold");
    }
    String signature = text(log, "signature");
    Optional<Address> signer = Key.recover(Digests.treeHead(pool, root, size, timeUs), signature);
    if (!signer.equals(Optional.of(pool))) {
      throw new Broken("the log's head is not signed by the pool " + pool);
    }
    return new Logged(
        entry,
        new Court.Statement.Signed(pool, size, root, timeUs, signature),
        new Court.Inclusion(index, leaf, path));
  }

  private static void batch(JsonNode batch, ExecutionRecord record, Entry.Attestation.Signed s)
      throws Broken {
    long count = number(batch, "count");
    Hash root = hash(text(batch, "root"), "batch.root");
    if (number(batch, "number") != s.batch() || number(batch, "position") != s.position()) {
      throw new Broken("its batch's number or position differs from the entry's");
    }
    Hash leaf = Merkle.leafHash(Digests.record(record).bytes());
    if (!Merkle.verify(leaf, s.position(), count, hashes(batch, "batch.path"), root)) {
      throw new Broken("the record is not in the batch that the provider signed");
    }
    Optional<Address> signer =
        Key.recover(Digests.batch(record.pool(), root, count), text(batch, "signature"));
    if (!signer.equals(Optional.of(record.provider()))) {
      throw new Broken("the batch is not signed by the provider " + record.provider());
    }
  }

  private static JsonNode child(JsonNode node, String name) throws Broken {
    JsonNode c = node.get(name);
    if (c == null || !c.isObject()) {
      throw new Broken("its '" + name + "' is missing");
    }
    return c;
  }

  private static String text(JsonNode node, String name) throws Broken {
    JsonNode c = node.get(name);
    if (c == null || !c.isTextual()) {
      throw new Broken("its '" + name + "' is missing or no text");
    }
    return c.textValue();
  }

  private static long number(JsonNode node, String name) throws Broken {
    JsonNode c = node.get(name);
    if (c == null || !c.isIntegralNumber() || !c.canConvertToLong() || c.longValue() < 0) {
      throw new Broken("its '" + name + "' is missing or no whole number");
    }
    return c.longValue();
  }

  private static byte[] bytes(String hex, String name) throws Broken {
    try {
      return HexFormat.of().parseHex(hex);
    } catch (IllegalArgumentException e) {
      throw new Broken("its '" + name + "' is not hexadecimal");
    }
  }

  private static Hash hash(String hex, String name) throws Broken {
    byte[] bytes = bytes(hex, name);
    if (bytes.length != 32) {
      throw new Broken("its '" + name + "' has " + bytes.length + " bytes, not 32");
    }
    return Hash.of(bytes);
  }

  private static List<Hash> hashes(JsonNode node, String name) throws Broken {
    JsonNode c = node.get("path");
    if (c == null || !c.isArray() || c.size() > 64) {
      throw new Broken("its '" + name + "' is missing or too long");
    }
    List<Hash> all = new ArrayList<>();
    for (JsonNode h : c) {
      if (!h.isTextual()) {
        throw new Broken("its '" + name + "' has an element that is no text");
      }
      all.add(hash(h.textValue(), name));
    }
    return all;
  }

  /// For tests: a mapper with the same limits.
  static ObjectMapper mapper() {
    return JSON;
  }
}
