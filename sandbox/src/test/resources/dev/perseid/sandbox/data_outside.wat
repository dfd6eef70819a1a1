;; Valid, but its data does not fit its memory: fails at the start.
(module (memory (export "memory") 1) (data (i32.const 65535) "abc") (func (export "step") (result i32) (i32.const 1)))
