use duet_lanes::*;
use std::time::Instant;
fn stats(name:&str,n:usize,mut f:impl FnMut()){ let mut all=vec![]; for _ in 0..31 { let t=Instant::now(); f(); all.push(t.elapsed().as_nanos() as f64/n as f64);} all.sort_by(f64::total_cmp); println!("{name}: min {:.0} median {:.0} ns",all[0],all[15]); }
fn main(){
    let lanes=Lanes::detect().unwrap(); let mut s=Signer::new(lanes);
    let seeds:Vec<[u8;32]>=(0..4096u32).map(|i|{let mut b=[7;32]; b[..4].copy_from_slice(&i.to_le_bytes()); b}).collect();
    let mut keys=vec![]; s.keys(seeds.iter(),&mut keys);
    let mut vks=vec![]; VerifyingKey::decode_many(lanes,&keys.iter().map(|k|*k.public()).collect::<Vec<_>>(),|k|vks.push(k.unwrap()));
    for n in [1usize,64,128,4096] { let mut x=0u8; stats(&format!("sign {n}"),4096,||for _ in 0..(4096/n) { s.sign(n,|i|(&keys[i%64],&seeds[i]),|b| x^=b[33]) }); std::hint::black_box(x);}
    let mut v=Verifier::new(lanes);
    for (n,per) in [(1,1),(64,1),(64,4),(256,1),(256,4),(256,64),(1024,64),(1024,1),(4096,64),(4096,16),(4096,1)] {
        let k=n/per; let mut sigs=vec![]; s.sign(n,|i|(&keys[i%k],&seeds[i]),|b|sigs.push(*b));
        let mut valid=vec![];
        stats(&format!("verify {n} {per}/key"),n,||{valid.clear(); v.verify(&vks,(0..n).map(|i|Item{key:i%k,message:&seeds[i],signature:&sigs[i]}),&mut valid);});
        assert!(valid.iter().all(|&x|x)); assert_eq!(valid.len(),n);
        sigs[n/2][40]^=1; valid.clear(); v.verify(&vks,(0..n).map(|i|Item{key:i%k,message:&seeds[i],signature:&sigs[i]}),&mut valid);
        assert!(valid.iter().enumerate().all(|(i,&x)|x==(i!=n/2)),"{n}");
    }
}
