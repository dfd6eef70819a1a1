package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tokens as a `tokenizer.json` counts them.
class HuggingFaceTokensTest {
  private static final String BPE =
      "{'added_tokens':[{'id':9,'content':'<s>','special':true}],"
          + "'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false},"
          + "'post_processor':{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'<s>'}},{'Sequence':{'id':'A'}}],"
          + "'special_tokens':{'<s>':{'id':'<s>','ids':[9]}}},"
          + "'model':{'type':'BPE','vocab':{'a':0,'b':1,'c':2,'ab':3,'bc':4,'abc':5,'\u0120':6,'\u0120a':7,'\u00c3':8,'<s>':9,'\u00a9':10,'\u00c3\u00a9':11},"
          + "'merges':['b c',['a','b'],['a','bc'],'\u0120 a','\u00c3 \u00a9']}}";

  private static final String PIECES =
      "{'normalizer':{'type':'BertNormalizer'},'pre_tokenizer':{'type':'BertPreTokenizer'},"
          + "'post_processor':{'type':'BertProcessing','sep':['[SEP]',2],'cls':['[CLS]',1]},"
          + "'model':{'type':'WordPiece','unk_token':'[UNK]','vocab':{'[UNK]':0,'[CLS]':1,'[SEP]':2,'un':3,'##aff':4,'##able':5,'!':6,'cafe':7,'\u4e2d':8}}}";

  private static HuggingFaceTokens read(String json) throws BrokenModelException {
    return HuggingFaceTokens.read(json.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void mergesGoByRankAndNotByPlace() throws Exception {
    HuggingFaceTokens tokens = read(BPE);
    // 'b c' comes before 'a b', and then 'a bc'.
    assertThat(tokens.encode("abc")).containsExactly(9, 5);
    assertThat(tokens.encode("ab")).containsExactly(9, 3);
    assertThat(tokens.encode("abab a\u00e9")).containsExactly(9, 3, 3, 7, 11);
    assertThat(tokens.count("abc")).isEqualTo(1);
    assertThat(tokens.count("")).isZero();
    assertThat(tokens.size()).isEqualTo(12);
  }

  @Test
  void aSpecialTokenCannotBeWrittenIntoAText() throws Exception {
    assertThat(read(BPE).encode("a<s>")).containsExactly(9, 0);
  }

  @Test
  void aLongWordTakesNoQuadraticTime() throws Exception {
    assertThat(read(BPE).count("ab".repeat(300_000))).isEqualTo(300_000);
  }

  @Test
  void wordPieces() throws Exception {
    HuggingFaceTokens tokens = read(PIECES);
    assertThat(tokens.encode("Unaffable! caf\u00e9 xyz")).containsExactly(1, 3, 4, 5, 6, 7, 0, 2);
    assertThat(tokens.encode("\u4e2d\u4e2d")).containsExactly(1, 8, 8, 2);
    assertThat(tokens.count("un".repeat(60))).isEqualTo(1);
  }

  @Test
  void promptsAreCounted() throws Exception {
    HuggingFaceTokens tokens = read(BPE);
    assertThat(prompt(tokens, Api.EMBEDDING, "{'input':['abc','ab',[1,2,3]]}")).isEqualTo(7);
    assertThat(prompt(tokens, Api.COMPLETION, "{'prompt':'abc'}")).isEqualTo(2);
    assertThat(
            prompt(
                tokens,
                Api.CHAT,
                "{'messages':[{'content':'abc'},{'content':[{'type':'text','text':'ab'}]}]}"))
        .isEqualTo(2);
    assertThat(prompt(tokens, Api.INFER, "{}")).isZero();
    assertThat(prompt(tokens, Api.CHAT, "no json")).isZero();
  }

  private static int prompt(HuggingFaceTokens tokens, Api api, String body) {
    return tokens.promptTokens(api, body.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{'model':{'type':'Unigram','vocab':[]}}",
        "{'model':{'type':'BPE','vocab':{}}}",
        "{'model':{'type':'BPE','vocab':{'a':0}}}",
        "{'model':{'type':'BPE','vocab':{'a':-1}}}",
        "{'model':{'type':'BPE','vocab':{'a':0},'merges':['a b']},'pre_tokenizer':{'type':'ByteLevel'}}",
        "{'model':{'type':'BPE','vocab':{'a':0},'byte_fallback':true},'pre_tokenizer':{'type':'ByteLevel'}}",
        "{'model':{'type':'WordPiece','vocab':{'a':0}}}",
        "{'model':{'type':'BPE','vocab':{'a':0}},'pre_tokenizer':{'type':'Metaspace'}}",
        "{'model':{'type':'BPE','vocab':{'a':0}},'normalizer':{'type':'Precompiled'}}"
      })
  void whatIsNotKnownIsRefused(String json) {
    assertThatThrownBy(() -> read(json))
        .isInstanceOf(BrokenModelException.class)
        .hasMessageContaining("tokenizer.json");
  }
}
