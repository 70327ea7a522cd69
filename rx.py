import socket,sys,time
s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW,socket.htons(3)); s.bind(('eth0',3)); s.settimeout(1)
s.setsockopt(263,8,1)
t=time.time(); got=[]
while time.time()-t<3:
    try: f,a=s.recvmsg(70000,1000)[0:2]
    except Exception: continue
    if f[6:12]==b'\x02\0\0\0\0\1': got.append((len(f),f[12:24].hex()))
print(len(got),'received', got)
