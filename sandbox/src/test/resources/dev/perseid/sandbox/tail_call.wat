(module (memory (export "memory") 1) (func $f (result i32) (i32.const 1)) (func (export "step") (result i32) (return_call $f)))
