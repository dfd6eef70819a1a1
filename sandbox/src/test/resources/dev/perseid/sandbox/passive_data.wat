(module (memory (export "memory") 1) (data $d "abc") (func (export "step") (result i32) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 3)) (i32.const 1)))
